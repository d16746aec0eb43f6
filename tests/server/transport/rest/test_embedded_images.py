"""Images in the bodies of embedding routes, through Envoy."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from rest_doubles.models import EMBEDDER, vector_of

from panope_server.tasks.vision.embed_images import EmbedImagesInput
from panope_server.tasks.vision.images import Image

FILE = b"\x89PNG\r\n\x1a\n..."
BASE64 = base64.b64encode(FILE).decode()
URL = f"data:image/png;base64,{BASE64}"


def asked(edge: Any) -> EmbedImagesInput:
    given = edge.instances.calls[-1].input
    assert isinstance(given, EmbedImagesInput)
    return given


def test_a_body_that_is_an_image_is_embedded(edge: Any) -> None:
    reply = edge.post(f"/v1/embed/{EMBEDDER}", FILE, headers={"content-type": "image/png"})
    assert (reply.status, reply.json) == (200, [pytest.approx(vector_of("image 0"))])
    assert asked(edge) == EmbedImagesInput([Image(content=FILE)])


def test_images_stand_in_the_place_of_texts(edge: Any) -> None:
    body = {"model": EMBEDDER, "input": [{"image": BASE64}, {"image": URL}], "dimensions": 2}
    reply = edge.post("/v1/embeddings", body)
    assert [each["embedding"] for each in reply.json["data"]] == [
        pytest.approx(vector_of(f"image {index}")[:2]) for index in range(2)
    ]
    assert reply.json["usage"] == {"prompt_tokens": 0, "total_tokens": 0}
    assert [image.data_url.partition(",")[2] for image in asked(edge).images] == [BASE64, BASE64]
    options = {"normalize": True, "image_pooling": "patch_mean"}
    edge.post("/v1/embed", {"model": EMBEDDER, "inputs": {"image": BASE64}, "parameters": options})
    assert (asked(edge).normalize, asked(edge).image_pooling) == (True, "patch_mean")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"inputs": [{"image": BASE64}, "a text"]}, "inputs[1]"),
        ({"inputs": {"image": "https://example.com/a.png"}}, "inputs"),
        ({"inputs": {"image": BASE64}, "truncate": True}, "truncate"),
        ({"inputs": {"image": BASE64}, "parameters": {"prompt_name": "query"}}, "parameters.prompt_name"),
        ({"inputs": "a text", "image_pooling": "cls"}, "image_pooling"),
        ({"inputs": {"image": BASE64}, "image_pooling": "max"}, "image_pooling"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(edge: Any, body: dict[str, Any], field: str) -> None:
    reply = edge.post("/v1/embed", {"model": EMBEDDER} | body)
    assert (reply.status, reply.json["error"]["param"]) == (400, field)
