"""Images on the server's side: counted, bounded and handed on, never decoded."""

import pytest

from panope_backends.errors import InvalidInputError
from panope_server.config import MediaLimits
from panope_server.tasks.vision.images import (
    Image,
    check_images,
    image_cost,
    image_messages,
    image_of_base64,
    image_of_uri,
    image_work,
)

LIMITS = MediaLimits(max_images=2, max_image_bytes=8)


@pytest.mark.parametrize(
    ("images", "field", "why"),
    [
        ([], "images", "is empty; give at least one"),
        ([Image(b"a")] * 3, "images", "has 3 items; the limit is 2"),
        ([Image(b"a"), Image()], r"images\[1\]", "is empty"),
        ([Image(bytes(12))], r"images\[0\]", "has 12 bytes; the limit is 8"),
        ([image_of_base64("A" * 16)], r"images\[0\]", "has 12 bytes; the limit is 8"),
    ],
)
def test_what_no_model_would_take_is_refused(images: list[Image], field: str, why: str) -> None:
    with pytest.raises(InvalidInputError, match=f"`{field}` {why}"):
        check_images(images, LIMITS)


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "ftp://example.org/a.png", "//example.org/a.png", "a.png"])
def test_a_uri_that_holds_no_image_is_refused(uri: str) -> None:
    with pytest.raises(InvalidInputError, match="`images`") as error:
        image_of_uri(uri, "images")
    assert "data:" in error.value.message


def test_images_reach_the_worker_as_they_came() -> None:
    sent = image_messages(
        [Image(b"abc"), image_of_uri("data:image/png;base64,YWJj", "images"), image_of_base64("YWJj")]
    )
    assert [image.content or image.data_url for image in sent] == [
        b"abc",
        "data:image/png;base64,YWJj",
        "data:;base64,YWJj",
    ]


def test_a_larger_file_is_more_work() -> None:
    small, large = [Image(bytes(1000))], [Image(bytes(1_000_000))]
    assert image_cost(large) == (1, 1_000_000)
    assert image_work(small) < image_work(large) < 100 * image_work(small)
