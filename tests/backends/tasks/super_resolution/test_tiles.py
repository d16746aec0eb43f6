"""Images cut into tiles, and put together again."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from panope_backends.errors import InternalError
from panope_backends.media.image_files import file_of
from panope_backends.tasks.super_resolution.made_images import Form
from panope_backends.tasks.super_resolution.tiles import OVERLAP, Pixels, joined, tiles_of


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "tile", "count"),
    [
        (10, 20, 384, 1),
        (384, 384, 384, 1),
        (385, 100, 384, 2),
        (1000, 700, 384, 6),
        (9, 40, 8, 18),
        (5, 5, 3, 9),
        (2, 1, 1, 2),
    ],
)
def test_tiles_of_one_size_make_the_image_again(height: int, width: int, tile: int, count: int) -> None:
    image = noise(height, width)
    tiles = tiles_of(height, width, tile, tile)
    assert len(tiles) == count
    assert len({(each.rows.size, each.columns.size) for each in tiles}) == 1
    assert max(each.rows.size for each in tiles) <= tile

    def enlarged() -> Iterator[Pixels]:
        for each in tiles:
            left, top, right, bottom = each.box
            padded = np.pad(image[top:bottom, left:right], ((0, 5), (0, 3), (0, 0)))  # as models pad
            yield padded.repeat(2, axis=0).repeat(2, axis=1)

    assert np.array_equal(joined(tiles, enlarged(), 2), image.repeat(2, axis=0).repeat(2, axis=1))


def test_nothing_is_taken_that_lies_near_an_edge_within_the_image() -> None:
    tiles = tiles_of(1000, 384, 384, 384)
    for before, after in itertools.pairwise(tiles):
        assert before.rows.last == after.rows.first
        assert before.rows.start + before.rows.size - before.rows.last >= OVERLAP
        assert after.rows.first - after.rows.start >= OVERLAP
    assert (tiles[0].rows.first, tiles[-1].rows.last) == (0, 1000)


def test_values_become_pixels_by_their_range_axes_and_colours() -> None:
    values = np.array([[[-1.5, 1, 0]]], np.float32)  # a pixel, blue first
    form = Form("image", low=-1, high=1, layout="NHWC", colors="BGR")
    assert form.pixels(values).tolist() == [[[128, 255, 0]]]
    assert Form("image").pixels(values.transpose(2, 0, 1)).tolist() == [[[0, 255, 0]]]
    with pytest.raises(InternalError, match="no numbers"):
        Form("image").pixels(values * np.nan)


def test_a_png_file_loses_nothing_and_a_jpeg_file_is_smaller() -> None:
    pixels = np.tile(np.arange(64, dtype=np.uint8)[:, None, None], (1, 64, 3))
    png, jpeg = (file_of(pixels, kind) for kind in ("png", "jpeg"))
    with Image.open(io.BytesIO(png)) as image:
        assert (image.format, np.array_equal(np.asarray(image), pixels)) == ("PNG", True)
    with Image.open(io.BytesIO(jpeg)) as image:
        assert image.format == "JPEG"
        assert np.abs(np.asarray(image).astype(int) - pixels).max() < 8
