"""Which frames a worker makes of a video."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tests.backends.tasks.frame_interpolation.interpolating import assert_alike, blended, made, requests_of
from tests.backends.tasks.frame_interpolation.videos import Pixels, lossless, moving, shown
from tests.frame_graphs import write_blend, write_rife

from panope_backends.engines.openvino.runtime import import_converter
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.frame_interpolation import module


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_frames_are_those_of_the_video_and_what_the_graph_makes_between_them(
    blend: module.VideoRequests, written: list[tuple[int, Pixels]], factor: int
) -> None:
    frames = moving(4)
    last, file = made(blend, lossless(frames), factor=factor)
    wanted = [
        blended(first, second, step / factor) for first, second in itertools.pairwise(frames) for step in range(factor)
    ]
    assert_alike([pixels for _, pixels in written], [*wanted, frames[-1]])
    assert (last.piece.frames, last.piece.frames_per_second) == (3 * factor + 1, 10 * factor)
    times = [time for time, _ in shown(file)]
    assert times == pytest.approx([at / (10 * factor) for at in range(3 * factor + 1)], abs=1e-3)


def test_frames_are_those_that_onnxruntime_makes_of_a_rife(tmp_path: Path, written: list[tuple[int, Pixels]]) -> None:
    folder = write_rife(tmp_path / "rife")
    frames = moving(3, width=61, height=43)  # no multiple of 8
    made(requests_of(folder), lossless(frames), factor=4)
    session = onnxruntime.InferenceSession(folder / "model.onnx")

    def by_hand(first: Pixels, second: Pixels, part: float) -> Pixels:
        filled = [np.pad(each, ((0, 5), (0, 3), (0, 0)), mode="symmetric") for each in (first, second)]
        arrays = [each.transpose(2, 0, 1)[None].astype(np.float32) / 255 for each in filled]
        plane = np.full((1, 1, 48, 64), part, np.float32)
        (given,) = session.run(None, {"first": arrays[0], "second": arrays[1], "timestep": plane})
        return np.rint(np.clip(given[0].transpose(1, 2, 0)[:43, :61], 0, 1) * 255).astype(np.uint8)

    wanted = [
        by_hand(first, second, step / 4) if step else first
        for first, second in itertools.pairwise(frames)
        for step in range(4)
    ]
    assert_alike([pixels for _, pixels in written], [*wanted, frames[-1]])
    moved = wanted[2].astype(int) - blended(frames[0], frames[1], 0.5).astype(int)
    assert np.abs(moved).max() > 20, "the graph does nothing but blend"


def test_openvino_makes_the_same_frames_of_a_rife(tmp_path: Path, written: list[tuple[int, Pixels]]) -> None:
    folder = write_rife(tmp_path / "rife")
    video = lossless(moving(2))
    openvino, converter = import_converter()
    openvino.save_model(
        converter.convert_model(folder / "model.onnx"), folder / "openvino_model.xml", compress_to_fp16=False
    )
    for backend, kind in (("cpu", "onnx"), ("openvino", "openvino")):
        made(requests_of(folder, backend, kind=kind), video)
    assert_alike([pixels for _, pixels in written[3:]], [pixels for _, pixels in written[:3]])


def test_a_graph_of_the_middle_alone_is_asked_again_for_what_is_between(
    halving: module.VideoRequests, written: list[tuple[int, Pixels]]
) -> None:
    frames = moving(3)
    made(halving, lossless(frames), factor=4)
    wanted = []
    for first, second in itertools.pairwise(frames):
        middle = blended(first, second, 0.5)
        wanted += [first, blended(first, middle, 0.5), middle, blended(middle, second, 0.5)]
    assert_alike([pixels for _, pixels in written], [*wanted, frames[-1]])


def test_a_graph_of_a_fixed_size_fills_smaller_frames_up_and_refuses_larger_ones(
    tmp_path: Path, written: list[tuple[int, Pixels]]
) -> None:
    requests = requests_of(write_blend(tmp_path / "model", height=48, width=64))
    frames = moving(2, 50, 40)
    made(requests, lossless(frames))
    assert_alike([written[1][1]], [blended(frames[0], frames[1], 0.5)])
    with pytest.raises(InvalidInputError, match="80 × 40 pixels; the model takes at most 64 × 48"):
        made(requests, lossless(moving(2, 80, 40)))
