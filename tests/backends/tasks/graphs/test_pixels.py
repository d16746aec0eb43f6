"""Images as the input of a described graph."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from panope_backends.graphs.description import ImageInput
from panope_backends.tasks.graphs.pixels import PixelArrays

RED = Image.new("RGB", (4, 2), (255, 51, 0))


def made(image: Image.Image, wanted: ImageInput) -> np.ndarray:
    return PixelArrays(wanted, "x").arrays(image, "images[0]")["x"]


def test_values_come_to_a_range_and_are_normalised() -> None:
    wanted = ImageInput(height=1, width=2, range=[-1, 1], mean=[0.5, 0, 0], std=[1, 2, 1])
    found = made(RED, wanted)
    assert (found.shape, found.dtype) == ((3, 1, 2), np.float32)
    assert found[:, 0, 0] == pytest.approx([0.5, -0.3, -1])


def test_colours_and_axes_have_an_order() -> None:
    found = made(RED, ImageInput(height=1, width=1, range=[0, 255], colors="BGR", layout="NHWC"))
    assert found.tolist() == [[[0, 51, 255]]]


def test_the_largest_value_of_an_image_may_count_as_white() -> None:
    grey = Image.new("RGB", (2, 2), (102, 51, 0))
    assert made(grey, ImageInput(stretch_to_max=True))[:, 0, 0] == pytest.approx([1, 0.5, 0])
    assert not made(Image.new("RGB", (2, 2)), ImageInput(stretch_to_max=True)).any()


@pytest.mark.parametrize(
    ("size", "wanted", "shape"),
    [
        ((50, 33), ImageInput(multiple_of=32), (64, 64)),
        ((64, 32), ImageInput(multiple_of=32), (32, 64)),
        ((2000, 1000), ImageInput(max_side=100), (50, 100)),
        ((200, 1), ImageInput(max_side=100), (1, 100)),
        ((90, 30), ImageInput(height=20, width=20, resize="crop"), (20, 20)),
        ((30, 90), ImageInput(height=20, width=10, resize="crop", crop_from=25), (20, 10)),
    ],
)
def test_images_come_to_the_size_that_the_graph_takes(
    size: tuple[int, int], wanted: ImageInput, shape: tuple[int, int]
) -> None:
    assert made(Image.new("RGB", size), wanted).shape == (3, *shape)


def test_a_crop_is_of_the_middle() -> None:
    image = Image.new("RGB", (30, 10))
    image.paste((255, 255, 255), (10, 0, 20, 10))
    assert made(image, ImageInput(height=10, width=10, resize="crop")).min() == 1


@pytest.mark.parametrize("interpolation", ["bilinear", "lanczos"])
@pytest.mark.parametrize("size", [(50, 33), (31, 90), (7, 5)])
def test_a_crop_is_what_is_left_of_the_scaled_image(interpolation: Any, size: tuple[int, int]) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), np.uint8))
    part = 26 / min(size)
    scaled = image.resize((round(size[0] * part), round(size[1] * part)), Image.Resampling[interpolation.upper()])
    left, top = (scaled.width - 20) // 2, (scaled.height - 24) // 2
    wanted = np.asarray(scaled.crop((left, top, left + 20, top + 24)), np.float32).transpose(2, 0, 1)
    given = ImageInput(height=24, width=20, resize="crop", crop_from=26, interpolation=interpolation, range=[0, 255])
    assert np.abs(made(image, given) - wanted).max() <= 1


def test_of_a_long_image_no_more_is_scaled_than_is_kept() -> None:
    given = ImageInput(height=4096, width=4, resize="crop", crop_from=1 << 14)  # to 53 gigapixels
    assert made(Image.new("RGB", (200, 1), (255, 0, 0)), given).shape == (
        3,
        4096,
        4,
    )
