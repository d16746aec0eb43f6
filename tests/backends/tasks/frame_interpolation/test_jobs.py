"""A job while it runs: its progress, what it holds, and its end."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
from tests.backends.tasks.frame_interpolation.interpolating import made, message, parts_of
from tests.backends.tasks.frame_interpolation.videos import Pixels, lossless, moving

from panope_backends.media.video_reader import VideoReader
from panope_backends.tasks.frame_interpolation import module
from panope_backends.tasks.frame_interpolation.job import PARTS_OF_STEP


def test_progress_counts_frames_up_to_those_that_the_header_tells(blend: module.VideoRequests) -> None:
    _, mp4 = made(blend, lossless(moving(3)))  # five frames, as its header says
    told = [part.progress for part in parts_of(blend, mp4) if part.HasField("progress")]
    assert [each.frames for each in told] == list(range(1, 10))
    assert {each.total_frames for each in told} == {9}


def test_a_job_that_is_closed_while_it_runs_frees_its_files_when_the_step_ends(blend: module.VideoRequests) -> None:
    job: Any = blend.prepare(message(lossless(moving(6))))
    began, go_on = threading.Event(), threading.Event()
    between = blend.model.between

    def slow(first: Pixels, second: Pixels, part: Fraction) -> Pixels:
        began.set()
        assert go_on.wait(30)
        return between(first, second, part)

    job._model = type(
        "Slow", (), {"between": staticmethod(slow), "check_size": blend.model.check_size, "takes_timestep": True}
    )
    job.step()  # the first frame
    thread = threading.Thread(target=job.step)
    thread.start()
    assert began.wait(30)
    job.close()
    assert not job._file.closed
    go_on.set()
    thread.join(30)
    assert job._file.closed
    assert job.step() == (b"", True)
    job.close()


def test_no_more_than_two_frames_are_read_ahead(blend: module.VideoRequests, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the length of a video is: those that were read less those that went on stay as many."""
    read = 0
    pixels_of = VideoReader._pixels

    def counted(reader: VideoReader, frame: Any, count: int) -> Pixels:
        nonlocal read
        read = count
        return pixels_of(reader, frame, count)

    monkeypatch.setattr(VideoReader, "_pixels", counted)
    for part in parts_of(blend, lossless(moving(40, 16, 16))):
        if part.HasField("progress") and part.progress.frames < 79:
            assert read <= math.ceil(part.progress.frames / 2) + 1


@pytest.mark.parametrize(
    "video",
    [lossless(moving(2) * 60, ticks=[0] * 120), lossless(moving(2), rate=1, sound="libopus")],
    ids=["frames that are never shown", "much sound for a frame"],
)
def test_no_step_reads_a_whole_file_however_little_of_it_is_shown(
    blend: module.VideoRequests, monkeypatch: pytest.MonkeyPatch, video: bytes
) -> None:
    """Between two steps a call can be cancelled, and others have their turns; a step that is long ends the worker."""
    read = 0
    parts = VideoReader.parts

    def counted(reader: VideoReader) -> Iterator[Any]:
        nonlocal read
        for part in parts(reader):
            read += 1
            yield part

    monkeypatch.setattr(VideoReader, "parts", counted)
    seen, most = 0, 0
    for _ in parts_of(blend, video):
        seen, most = read, max(most, read - seen)
    assert read > 90
    assert most <= PARTS_OF_STEP + 1
