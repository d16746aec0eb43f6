"""Models that classify videos say of them what transformers' pipeline says, on the same weights and the same file."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests.colour_reader import png

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.api import Level, LoadOptions, ModelFacts
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.torch.backend import CpuBackend
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.media.limits import MediaLimits
from panope_backends.media.processors import trial_image
from panope_backends.media.video_frames import sample_frames, sampled_numbers
from panope_backends.tasks.classify.module import ClassifyModule
from panope_backends.tasks.classify.videos import TASK, ClassifyVideoJob
from panope_backends.tasks.task import LoadedTask
from panope_backends.testing.vision.video_classifiers import FRAMES, LABELS, VIDEO_CLASSIFIERS, tiny_video_classifier


def video(frames: int, width: int = 64, height: int = 48, seed: int = 0) -> bytes:
    """An MP4 of colours that change from frame to frame."""
    written = io.BytesIO()
    with av.open(written, "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            image = trial_image(seed + number).resize((width, height))
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return written.getvalue()


@dataclass
class Source:
    """A folder, as the worker gives it to a task."""

    folder: Path
    media_limits: MediaLimits = field(default_factory=MediaLimits)

    def load(self, config: Any) -> Any:
        facts = ModelFacts("acme/videos", "safetensors", "classify", "", config)
        return CpuBackend().load(facts, self.folder, "CPU", LoadOptions(precision="fp32"))


@dataclass
class Loaded:
    """A model that is loaded, and its files."""

    task: LoadedTask
    folder: Path


def loaded(folder: Path, name: str, **limits: Any) -> Loaded:
    tiny_video_classifier(folder, name)
    return Loaded(ClassifyModule().load(Source(folder, MediaLimits(**limits))), folder)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=[*VIDEO_CLASSIFIERS])
def classifier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    made = loaded(tmp_path_factory.mktemp(request.param), request.param)
    yield made
    made.task.close()


@pytest.fixture(scope="module")
def videomae(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    made = loaded(tmp_path_factory.mktemp("one"), "videomae", max_video_frames=40, max_video_pixels=10_000)
    yield made
    made.task.close()


def classify(task: LoadedTask, data: bytes, **options: Any) -> messages.ClassifyVideoOutput:
    job = task.requests[TASK](messages.ClassifyVideoInput(video=data, **options).SerializeToString())
    assert isinstance(job, ClassifyVideoJob)
    assert task.arrays is not None
    return messages.ClassifyVideoOutput.FromString(job.answer(task.arrays.run(job.items)))


def by_transformers(folder: Path, data: bytes) -> dict[str, float]:
    """What the pipeline says of all frames, of which its processor chooses; it decodes files by other packages."""
    from transformers import pipeline

    with av.open(io.BytesIO(data)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    told = pipeline("video-classification", model=str(folder))(frames, top_k=len(LABELS))
    return {each["label"]: each["score"] for each in told}


@pytest.mark.parametrize("frames", [FRAMES, 21])
def test_scores_are_those_of_the_pipeline(classifier: Loaded, frames: int) -> None:
    data = video(frames)
    expected = by_transformers(classifier.folder, data)
    found = classify(classifier.task, data)
    assert dict(zip(found.labels, found.scores, strict=True)) == pytest.approx(expected, abs=2e-3)
    assert list(found.scores) == sorted(found.scores, reverse=True)
    assert (found.frames, list(found.seen_frames)) == (frames, sampled_numbers(FRAMES, frames))


def test_options_are_honoured(videomae: Loaded) -> None:
    data = video(12)
    (label,) = classify(videomae.task, data, top_k=1).labels
    raw = classify(videomae.task, data, function="none")
    assert raw.labels[0] == label
    assert sum(raw.scores) != pytest.approx(1)
    with pytest.raises(InvalidInputError, match="`function` must be one of"):
        classify(videomae.task, data, function="argmax")


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "`video` is empty"),
        (png(trial_image()), "`video` is no video that can be read"),
        (video(FRAMES - 1), rf"`video` has {FRAMES - 1} frames; the model looks at {FRAMES}"),
        (video(12)[:-400], "`video` "),
        (video(50), "`video` has more than 40 frames, which is the limit"),
        (video(9, 640, 480), r"`video` has frames of 640 × 480 pixels, 307,200 in all; the limit is 10,000"),
    ],
)
def test_what_is_no_such_video_is_refused(videomae: Loaded, data: bytes, complaint: str) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        classify(videomae.task, data)


def test_frames_are_counted_where_a_header_tells_another_number() -> None:
    """As of files whose recorder wrote the header before it knew; an AVI has the number at two places."""
    from panope_server.tasks.samples import video as avi

    data = bytearray(avi(3, frames=20))
    for place in (data.index(b"avih") + 24, data.index(b"strh") + 8 + 32):
        data[place : place + 4] = struct.pack("<I", 50)
    found = sample_frames(bytes(data), FRAMES, MediaLimits())
    assert (found.total, found.numbers, len(found.frames)) == (20, sampled_numbers(FRAMES, 20), FRAMES)


def test_a_model_without_a_processor_is_refused_by_the_file(tmp_path: Path) -> None:
    tiny_video_classifier(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(PreconditionError, match=r"the model has no file `preprocessor_config.json`"):
        ClassifyModule().load(Source(tmp_path))  # type: ignore[arg-type]


def test_pytorch_runs_them_and_openvino_says_that_it_does_not(tmp_path: Path) -> None:
    import json

    tiny_video_classifier(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    facts = ModelFacts("acme/videos", "safetensors", "classify", "", config)
    cpu = CpuBackend()
    assert cpu.supports(facts, cpu.devices()[0]).level is Level.FULL
    openvino = OpenVinoBackend()
    support = openvino.supports(facts, openvino.devices()[0])
    assert (support.level, "videos" in support.reason) == (Level.NONE, True)
