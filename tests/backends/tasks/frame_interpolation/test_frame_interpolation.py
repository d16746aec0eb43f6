"""What a worker makes of a video: which frames, when they are shown, and what is refused."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from tests.backends.tasks.frame_interpolation.videos import Pixels, lossless, moving, shown
from tests.frame_graphs import write_blend, write_rife
from tests.served_images import served

from panope.worker.v1 import frame_interpolation_pb2 as messages
from panope_backends.engines.openvino.runtime import import_converter
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.media.limits import MediaLimits
from panope_backends.media.video_reader import VideoReader
from panope_backends.tasks.frame_interpolation import job as job_module
from panope_backends.tasks.frame_interpolation import module

TASK = "frame-interpolation"
LIMITS = MediaLimits()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Pixels]]:
    """What the job gives the writer of the file: the codec changes colours a little."""
    found: list[tuple[int, Pixels]] = []

    class Recorder(job_module.VideoWriter):
        def add(self, pixels: Pixels, ticks: int | None = None) -> None:
            assert ticks is not None
            found.append((ticks, pixels.copy()))
            super().add(pixels, ticks)

    monkeypatch.setattr(job_module, "VideoWriter", Recorder)
    return found


def requests_of(folder: Path, backend: str = "cpu", kind: str = "onnx") -> module.VideoRequests:
    model = served(folder, TASK, backend, kind)
    between = model.requests[TASK].__self__.model  # type: ignore[attr-defined]
    return module.VideoRequests(between, LIMITS)


@pytest.fixture(scope="module")
def blend(tmp_path_factory: pytest.TempPathFactory) -> module.VideoRequests:
    return requests_of(write_blend(tmp_path_factory.mktemp("blend") / "model"))


@pytest.fixture(scope="module")
def halving(tmp_path_factory: pytest.TempPathFactory) -> module.VideoRequests:
    """One that makes the frame in the middle alone."""
    return requests_of(write_blend(tmp_path_factory.mktemp("halving") / "model", timestep=False))


def message(video: bytes, **fields: Any) -> bytes:
    asked = {"factor": 0 if fields.get("frames_per_second") else 2, "output_format": "mp4"} | fields
    return messages.FrameInterpolationInput(video=video, **asked).SerializeToString()


def parts_of(
    requests: module.VideoRequests, video: bytes, **fields: Any
) -> Iterator[messages.FrameInterpolationOutput]:
    job: Any = requests.prepare(message(video, **fields))
    is_last = False
    try:
        while not is_last:
            data, is_last = job.step()
            yield messages.FrameInterpolationOutput.FromString(data)
    finally:
        job.close()


def made(
    requests: module.VideoRequests, video: bytes, **fields: Any
) -> tuple[messages.FrameInterpolationOutput, bytes]:
    """The last part of an answer, and the file."""
    parts = list(parts_of(requests, video, **fields))
    return parts[-1], b"".join(part.piece.content for part in parts if part.HasField("piece"))


def blended(first: Pixels, second: Pixels, part: float) -> Pixels:
    """What the graph of the tests makes, by its formula."""
    values = np.float32(first) / 255 * np.float32(1 - part) + np.float32(second) / 255 * np.float32(part)
    return np.rint(values * 255).astype(np.uint8)


def assert_alike(found: Sequence[Pixels], wanted: Sequence[Pixels], most: int = 1) -> None:
    assert len(found) == len(wanted)
    for at, (one, other) in enumerate(zip(found, wanted, strict=True)):
        assert one.shape == other.shape
        assert int(np.abs(one.astype(int) - other.astype(int)).max()) <= most, f"frame {at}"


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


@pytest.mark.parametrize(("width", "height"), [(63, 47), (65, 48), (2, 2)])
@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_odd_sides_are_kept(tmp_path: Path, width: int, height: int, kind: str) -> None:
    requests = requests_of(write_blend(tmp_path / "model", multiple_of=32))
    frames = [np.full((height, width, 3), 40 * at + 40, np.uint8) for at in range(3)]
    last, file = made(requests, lossless(frames), output_format=kind)
    assert (last.piece.width, last.piece.height) == (width, height)
    assert_alike([pixels for _, pixels in shown(file)], [np.full_like(frames[0], 40 + 20 * at) for at in range(5)], 3)


def test_a_single_frame_stays_one(blend: module.VideoRequests, written: list[tuple[int, Pixels]]) -> None:
    for fields in ({"factor": 8}, {"frames_per_second": 60.0}):
        last, file = made(blend, lossless(moving(1)), **fields)
        assert last.piece.frames == len(shown(file)) == 1
    assert_alike([written[0][1]], moving(1), 0)


@pytest.mark.parametrize(
    ("sound", "kind", "kept"), [("aac", "mp4", True), ("libopus", "webm", True), ("aac", "webm", False)]
)
def test_sound_is_copied_where_the_file_can_hold_it(
    blend: module.VideoRequests, sound: str, kind: str, kept: bool
) -> None:
    import io

    import av

    video = lossless(moving(6), sound=sound)
    last, file = made(blend, video, output_format=kind)
    assert last.piece.has_audio is kept
    with av.open(io.BytesIO(video)) as before, av.open(io.BytesIO(file)) as after:
        assert len(after.streams.audio) == int(kept)
        if kept:
            packets = [[bytes(packet) for packet in each.demux(audio=0) if packet.size] for each in (before, after)]
            assert packets[0] == packets[1]


def test_frames_are_turned_as_the_file_says(blend: module.VideoRequests, written: list[tuple[int, Pixels]]) -> None:
    upright, file = moving(2, 64, 32), bytearray(made(blend, lossless(moving(2, 64, 32)))[1])
    at = file.index(b"tkhd") + 4 + 40  # the matrix of the track's header
    matrix = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]  # a quarter to the right
    file[at : at + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in matrix)
    written.clear()
    last, turned = made(blend, bytes(file))
    assert (last.piece.width, last.piece.height) == (32, 64)
    assert_alike([written[0][1]], [np.rot90(upright[0], -1)], 40)
    assert shown(turned)[0][1].shape == (64, 32, 3)


def test_colours_are_those_of_the_file(blend: module.VideoRequests, written: list[tuple[int, Pixels]]) -> None:
    import io

    import av

    from panope_backends.media.video_reader import Coloring
    from panope_backends.media.video_writer import VideoWriter

    color = np.full((32, 32, 3), (200, 30, 90), np.uint8)
    sink = io.BytesIO()
    writer = VideoWriter(sink, "mp4", (32, 32), Fraction(10), coloring=Coloring(1, 1, 1))  # BT.709, as HD has it
    for _ in range(2):
        writer.add(color)
    writer.close()
    _, file = made(blend, sink.getvalue())
    assert_alike([pixels for _, pixels in written], [color] * 3, 3)
    with av.open(io.BytesIO(file)) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1)
        assert_alike([frame.to_ndarray(format="rgb24")], [color], 5)


def test_a_day_between_two_frames_is_two_frames(blend: module.VideoRequests) -> None:
    day = 86_400_000
    last, file = made(blend, lossless(moving(2), ticks=[0, day]))
    assert last.piece.frames == 3
    assert [time for time, _ in shown(file)] == pytest.approx([0, 43_200, 86_400], abs=1)
    few = module.VideoRequests(blend.model, replace(LIMITS, max_video_frames=100))
    with pytest.raises(InvalidInputError, match="would become one of more than 100 frames"):
        made(few, lossless(moving(2), ticks=[0, day]), frames_per_second=240.0)


def test_progress_counts_frames_up_to_those_that_the_header_tells(blend: module.VideoRequests) -> None:
    _, mp4 = made(blend, lossless(moving(3)))  # five frames, as its header says
    told = [part.progress for part in parts_of(blend, mp4) if part.HasField("progress")]
    assert [each.frames for each in told] == list(range(1, 10))
    assert {each.total_frames for each in told} == {9}


def cut(video: bytes) -> bytes:
    return video[: len(video) * 2 // 3]


@pytest.mark.parametrize(
    ("video", "words"),
    [
        (b"", "is empty"),
        (b"hello, I am no video", "is no video that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no video that can be read"),
        (b"#EXTM3U\nfile:///etc/passwd", "is no video that can be read"),
        (b"\x00\x00\x00\x18ftypisom" + bytes(100), "damaged or cut"),
        (b"\x1aE\xdf\xa3" + bytes(100), "damaged or cut"),
        (cut(lossless(moving(20))), "cut"),
    ],
)
def test_what_is_no_whole_video_is_refused(blend: module.VideoRequests, video: bytes, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words) as refused:
        made(blend, video)
    assert refused.value.field == "video"


def test_an_mp4_that_was_cut_is_refused_with_what_is_missing(blend: module.VideoRequests) -> None:
    """Its index stands before the frames, so that what is there can be read."""
    import io

    import av

    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4", options={"movflags": "frag_keyframe+empty_moov"}) as container:
        stream: Any = container.add_stream("libx264", rate=10, options={"g": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for pixels in moving(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    with pytest.raises(InvalidInputError, match="cut"):
        made(blend, cut(sink.getvalue())[:-7])


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_video_bytes": 100}, "bytes; the limit is 100"),
        ({"max_video_pixels": 3000}, r"frames of 64 × 48 pixels, 3,072 in all; the limit is 3,000"),
        ({"max_video_frames": 4}, "more than 4 frames, which is the limit"),
        ({"max_video_frames": 8}, "would become one of more than 8 frames"),
    ],
)
def test_each_limit_is_named(blend: module.VideoRequests, limits: dict[str, int], words: str) -> None:
    requests = module.VideoRequests(blend.model, replace(LIMITS, **limits))
    with pytest.raises(InvalidInputError, match=words):
        made(requests, lossless(moving(5)))


def test_a_header_of_too_many_frames_is_refused_before_one_is_read(blend: module.VideoRequests) -> None:
    _, mp4 = made(blend, lossless(moving(5)))
    for most, words in ((8, "more than 8 frames"), (16, "9 frames and would become one of 17; the limit is 16")):
        with pytest.raises(InvalidInputError, match=words):
            module.VideoRequests(blend.model, replace(LIMITS, max_video_frames=most)).prepare(message(mp4))


def test_a_graph_of_a_fixed_size_fills_smaller_frames_up_and_refuses_larger_ones(
    tmp_path: Path, written: list[tuple[int, Pixels]]
) -> None:
    requests = requests_of(write_blend(tmp_path / "model", height=48, width=64))
    frames = moving(2, 50, 40)
    made(requests, lossless(frames))
    assert_alike([written[1][1]], [blended(frames[0], frames[1], 0.5)])
    with pytest.raises(InvalidInputError, match="80 × 40 pixels; the model takes at most 64 × 48"):
        made(requests, lossless(moving(2, 80, 40)))


def test_what_a_graph_of_the_middle_cannot_do_is_refused_by_name(halving: module.VideoRequests) -> None:
    for field, fields in (("factor", {"factor": 6}), ("frames_per_second", {"frames_per_second": 30.0})):
        with pytest.raises(InvalidInputError) as refused:
            made(halving, lossless(moving(2)), **fields)
        assert refused.value.field == field


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"second": "other"}, "describes the inputs first, other, timestep; the graph takes first, second, timestep"),
        ({"layout": "NHWC", "height": 8, "width": 5}, "makes `first` of 1 × 8 × 5 × 3; the graph takes 1 × 3 × 8 × 5"),
    ],
)
def test_a_description_of_another_graph_is_refused_when_it_is_loaded(
    tmp_path: Path, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(PreconditionError, match=words):
        served(write_blend(tmp_path / "model", **given), TASK, "cpu", "onnx")


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
