"""Maps of depth at the size of images, and as callers get them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from panope_backends.errors import InternalError, InvalidInputError, PreconditionError
from panope_backends.tasks.depth import maps
from panope_backends.tasks.depth.bicubic import bicubic
from panope_backends.tasks.depth.decoding import decoder_for, unit_of
from panope_backends.tasks.depth.linear import linear
from panope_backends.tasks.depth.maps import check_pixels, map_message
from panope_backends.tasks.images import Prepared
from panope_backends.tasks.task import ArrayItem

RAMP = np.tile(np.arange(40, dtype=np.float32), (30, 1))


def test_a_map_of_the_same_size_stays_as_it_is() -> None:
    assert np.array_equal(bicubic(RAMP, 30, 40), RAMP)


def test_what_rises_evenly_rises_evenly_at_another_size() -> None:
    found = bicubic(RAMP, 60, 120)
    expected = (np.arange(120) + 0.5) / 3 - 0.5
    assert np.abs(found[:, 9:-9] - expected[9:-9]).max() < 0.07  # cubic convolution with -0.75 bends lines by so much
    assert np.abs(found - found[0]).max() == 0


@pytest.mark.parametrize("to_corners", [True, False])
@pytest.mark.parametrize("size", [(50, 31), (4, 3), (1, 1)])
def test_lines_are_drawn_as_pytorch_draws_them(size: tuple[int, int], to_corners: bool) -> None:
    noise = np.random.default_rng(0).standard_normal((9, 7)).astype(np.float32)
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(noise)[None, None], size=size, mode="bilinear", align_corners=to_corners
    )
    assert np.abs(linear(noise, *size, to_corners=to_corners) - wanted[0, 0].numpy()).max() < 1e-5


def test_strips_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).standard_normal((9, 7)).astype(np.float32)
    whole = bicubic(noise, 50, 31)
    monkeypatch.setattr("panope_backends.tasks.depth.bicubic._STRIP_VALUES", 100)
    assert np.array_equal(bicubic(noise, 50, 31), whole)


def test_values_come_back_from_a_file() -> None:
    values = np.random.default_rng(0).uniform(1.5, 9, (20, 30)).astype(np.float32)
    message = map_message(values, "metre", float32=False, field="images[0]")
    with Image.open(io.BytesIO(message.png)) as file:
        assert (file.format, file.mode, file.size) == ("PNG", "I;16", (30, 20))
        steps = np.asarray(file).astype(np.float64) / 65535
    found = message.min + steps * (message.max - message.min)
    assert np.abs(found - values).max() <= (message.max - message.min) / 65535
    assert (message.width, message.height, message.unit) == (30, 20, "metre")
    assert (steps.min(), steps.max()) == (0, 1)


def test_values_are_told_as_they_are() -> None:
    message = map_message(RAMP, "", float32=True, field="images[0]")
    assert np.array_equal(np.frombuffer(message.float32, "<f4").reshape(30, 40), RAMP)
    assert not message.png


def test_a_map_that_is_flat_is_a_file_too() -> None:
    message = map_message(np.full((2, 2), 3, np.float32), "", float32=False, field="images[0]")
    assert (message.min, message.max) == (3, 3)
    with Image.open(io.BytesIO(message.png)) as file:
        assert not np.asarray(file).any()


def test_what_is_no_number_is_no_answer() -> None:
    with pytest.raises(InternalError, match="no numbers"):
        map_message(np.array([[1, np.nan]], np.float32), "", float32=True, field="images[0]")


def prepared(width: int, height: int, seen: tuple[int, int] = (8, 8)) -> Prepared:
    pixels = np.broadcast_to(np.float32(0), (3, *seen))
    return Prepared(ArrayItem({"pixel_values": pixels}, 1), width, height)


@pytest.mark.parametrize(
    ("image", "float32", "words"),
    [
        (prepared(4097, 4096), False, r"`images\[3\]` has 16,781,312 pixels; the limit .* 16,777,216 .* a PNG file"),
        (prepared(2049, 2048), True, r"has 4,196,352 pixels; the limit .* 4,194,304 for depth as float32"),
        (prepared(4000, 20, (518, 10_000)), False, "of which the model would see 5,180,000; the limit is 2,097,152"),
    ],
)
def test_images_that_are_too_large_are_refused_before_they_run(image: Prepared, float32: bool, words: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        check_pixels(image, float32=float32, field="images[3]")
    assert refused.match(words)


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "MAX_PNG_BYTES", 100)
    with pytest.raises(InvalidInputError, match="the limit is 100: send a smaller image"):
        map_message(RAMP, "", float32=False, field="images[0]")


@pytest.mark.parametrize(
    ("config", "unit"),
    [
        ({"model_type": "dpt"}, "inverse"),
        ({"model_type": "dpt", "backbone_config": {"model_type": "dinov2"}}, ""),
        ({"model_type": "dpt", "backbone_config": {"model_type": "bit"}}, "inverse"),
        ({"model_type": "depth_anything"}, "inverse"),
        ({"model_type": "depth_anything", "depth_estimation_type": "metric"}, "metre"),
        ({"model_type": "glpn"}, "metre"),
        ({"model_type": "zoedepth"}, "metre"),
    ],
)
def test_the_unit_is_what_the_configuration_says(config: dict[str, Any], unit: str) -> None:
    assert unit_of(config) == unit


def test_maps_of_a_kind_that_is_not_known_are_refused() -> None:
    with pytest.raises(PreconditionError, match="how the maps of `depth_pro` become depth is not known here"):
        decoder_for({"model_type": "depth_pro"}, None)
