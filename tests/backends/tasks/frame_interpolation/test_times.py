"""When the frames of a video are shown, and how many they become."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from tests.backends.tasks.frame_interpolation.interpolating import LIMITS, assert_alike, blended, made, parts_of
from tests.backends.tasks.frame_interpolation.videos import Pixels, lossless, moving, shown

from panope_backends.errors import InvalidInputError
from panope_backends.tasks.frame_interpolation import module


def test_frames_at_a_rate_are_where_the_rate_has_them(
    blend: module.VideoRequests, written: list[tuple[int, Pixels]]
) -> None:
    frames = moving(5)  # at 0.0 to 0.4 s
    last, file = made(blend, lossless(frames), frames_per_second=25.0)
    wanted = []
    for at in range(11):
        place = at / 25 * 10
        first = min(int(place), 4)
        wanted.append(blended(frames[first], frames[min(first + 1, 4)], place - first))
    assert_alike([pixels for _, pixels in written], wanted)
    assert last.piece.frames_per_second == 25
    assert [time for time, _ in shown(file)] == pytest.approx([at / 25 for at in range(11)], abs=1e-3)


def test_a_lower_rate_leaves_frames_out_and_still_tells_of_each_that_is_read(blend: module.VideoRequests) -> None:
    parts = list(parts_of(blend, lossless(moving(11)), frames_per_second=2.0))
    assert parts[-1].piece.frames == 3
    assert sum(part.HasField("progress") for part in parts) >= 10


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_frames_of_a_rate_that_changes_keep_their_times(blend: module.VideoRequests, kind: str) -> None:
    times = [0, 40, 300, 320, 1000]
    _, file = made(blend, lossless(moving(5), ticks=times), factor=2, output_format=kind)
    wanted = sorted([*times, *(sum(pair) / 2 for pair in itertools.pairwise(times))])
    assert [time * 1000 for time, _ in shown(file)] == pytest.approx(wanted, abs=1)


def test_a_single_frame_stays_one(blend: module.VideoRequests, written: list[tuple[int, Pixels]]) -> None:
    for fields in ({"factor": 8}, {"frames_per_second": 60.0}):
        last, file = made(blend, lossless(moving(1)), **fields)
        assert last.piece.frames == len(shown(file)) == 1
    assert_alike([written[0][1]], moving(1), 0)


def test_a_day_between_two_frames_is_two_frames(blend: module.VideoRequests) -> None:
    day = 86_400_000
    last, file = made(blend, lossless(moving(2), ticks=[0, day]))
    assert last.piece.frames == 3
    assert [time for time, _ in shown(file)] == pytest.approx([0, 43_200, 86_400], abs=1)
    few = module.VideoRequests(blend.model, replace(LIMITS, max_video_frames=100))
    with pytest.raises(InvalidInputError, match="would become one of more than 100 frames"):
        made(few, lossless(moving(2), ticks=[0, day]), frames_per_second=240.0)
