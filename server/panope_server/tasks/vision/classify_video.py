"""Task `classify-video`: a video to the model's labels of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks import agreement, samples
from panope_server.tasks.classify.types import FUNCTIONS, Function, LabelScore, classifies_videos
from panope_server.tasks.links import Link
from panope_server.tasks.task import Input, Output, Task, Usage, Workload
from panope_server.tasks.validation import check_positive, check_word
from panope_server.tasks.vision.videos import check_video_size
from panope_server.tasks.workload import SingleWorkload

#: Bytes of a video that cost about what a token of text does: all of it is decoded, a part is looked at.
_BYTES_OF_UNIT = 64


@dataclass(slots=True)
class ClassifyVideoInput(Input):
    """A video to classify.

    Attributes:
        video: the file.
        function: what makes scores of the model's values; empty for what the model's files say.
        top_k: how many labels to tell; None for all.
        url: where the file is, or what holds it, until it was fetched; empty where the file itself came.
    """

    video: bytes
    function: Function = ""
    top_k: int | None = None
    url: str = ""


@dataclass(slots=True)
class ClassifyVideoOutput(Output):
    """What fits.

    Attributes:
        labels: the highest score first.
        frames: of the video.
        seen_frames: those of them that the model looked at, from 0.
    """

    labels: list[LabelScore] = field(default_factory=list)
    frames: int = 0
    seen_frames: list[int] = field(default_factory=list)


class ClassifyVideoTask(Task[ClassifyVideoInput, ClassifyVideoOutput]):
    """A video to its labels; models of the task `classify` that look at videos answer it."""

    name = "classify-video"
    input_type = ClassifyVideoInput
    input_unit = "bytes"
    models_of = "classify"
    workloads: ClassVar[Sequence[Workload]] = (
        SingleWorkload(
            "classify-32-frames",
            lambda number, _: ClassifyVideoInput(samples.video(number, frames=32)),
            is_for=lambda model: classifies_videos(model.architecture),
        ),
    )

    def encode(self, task_input: ClassifyVideoInput) -> bytes:
        """Everything."""
        return messages.ClassifyVideoInput(
            video=task_input.video, function=task_input.function, top_k=task_input.top_k
        ).SerializeToString()

    def decode(self, data: bytes) -> ClassifyVideoOutput:
        """The answer."""
        message = messages.ClassifyVideoOutput.FromString(data)
        labels = [LabelScore(label, score) for label, score in zip(message.labels, message.scores, strict=True)]
        return ClassifyVideoOutput(labels, message.frames, list(message.seen_frames))

    def work(self, task_input: ClassifyVideoInput, items: int, size_bytes: int) -> int:
        """By the bytes of the file."""
        del task_input, items
        return max(1, size_bytes // _BYTES_OF_UNIT)

    def agreement(self, expected: ClassifyVideoOutput, found: ClassifyVideoOutput) -> float:
        """How near the scores of all labels are."""
        return agreement.of_scores(dict(expected.labels), dict(found.labels))

    def links(self, task_input: ClassifyVideoInput) -> Sequence[Link]:
        """Where the video is; none where it is there."""

        def put(content: bytes) -> None:
            task_input.video, task_input.url = content, ""

        return (Link(task_input.url, "video", "video", put),) if task_input.url else ()

    def validate(self, task_input: ClassifyVideoInput, limits: Limits) -> None:
        """Checks every field; what the file holds, the worker sees."""
        check_video_size(len(task_input.video), limits)
        if not task_input.video and not task_input.url:
            raise InvalidInputError.at("video", "{field} is empty")
        if task_input.function:
            check_word(task_input.function, "function", FUNCTIONS)
        check_positive(task_input.top_k, "top_k")

    def input_units(self, task_input: ClassifyVideoInput) -> int:
        """The bytes of the file."""
        return len(task_input.video)

    def usage(self, output: ClassifyVideoOutput) -> Usage:
        """Nothing is written."""
        del output
        return Usage(0, 0)
