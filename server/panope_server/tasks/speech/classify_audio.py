"""Task `classify-audio`: audio to the model's labels of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from panope.worker.v1 import classify_pb2 as messages
from panope_server.config import Limits
from panope_server.tasks import agreement, samples
from panope_server.tasks.classify.types import FUNCTIONS, Function, LabelScore, classifies_audio
from panope_server.tasks.links import Link
from panope_server.tasks.speech.transcribe import audio_links, check_audio
from panope_server.tasks.task import Input, Output, Task, Usage, Workload
from panope_server.tasks.validation import check_positive, check_word
from panope_server.tasks.workload import SingleWorkload

#: What classifying a second of audio costs, in tokens, about; and the bytes of such a second.
_WORK_OF_SECOND = 60
_BYTES_OF_SECOND = 16_000


@dataclass(slots=True)
class ClassifyAudioInput(Input):
    """Audio to classify.

    Attributes:
        audio: the file.
        function: what makes scores of the model's values; empty for what the model's files say.
        top_k: how many labels to tell; None for all.
        url: where the file is, until it was fetched; empty where the file itself came.
    """

    audio: bytes
    function: Function = ""
    top_k: int | None = None
    url: str = ""


@dataclass(slots=True)
class ClassifyAudioOutput(Output):
    """What fits.

    Attributes:
        labels: the highest score first.
        duration: seconds of the audio.
        heard: seconds of it, from its beginning on, that the model read.
    """

    labels: list[LabelScore] = field(default_factory=list)
    duration: float = 0.0
    heard: float = 0.0


class ClassifyAudioTask(Task[ClassifyAudioInput, ClassifyAudioOutput]):
    """Audio to its labels; models of the task `classify` that hear answer it."""

    name = "classify-audio"
    input_type = ClassifyAudioInput
    input_unit = "bytes"
    models_of = "classify"
    workloads: ClassVar[Sequence[Workload]] = (
        SingleWorkload(
            "classify-5-seconds",
            lambda number, _: ClassifyAudioInput(samples.audio(number)),
            is_for=lambda model: classifies_audio(model.architecture),
        ),
    )

    def encode(self, task_input: ClassifyAudioInput) -> bytes:
        """Everything."""
        return messages.ClassifyAudioInput(
            audio=task_input.audio, function=task_input.function, top_k=task_input.top_k
        ).SerializeToString()

    def decode(self, data: bytes) -> ClassifyAudioOutput:
        """The answer."""
        message = messages.ClassifyAudioOutput.FromString(data)
        labels = [LabelScore(label, score) for label, score in zip(message.labels, message.scores, strict=True)]
        return ClassifyAudioOutput(labels, message.duration, message.heard)

    def work(self, task_input: ClassifyAudioInput, items: int, size_bytes: int) -> int:
        """By its bytes."""
        del task_input, items
        return size_bytes * _WORK_OF_SECOND // _BYTES_OF_SECOND

    def agreement(self, expected: ClassifyAudioOutput, found: ClassifyAudioOutput) -> float:
        """How near the scores of all labels are."""
        return agreement.of_scores(dict(expected.labels), dict(found.labels))

    def validate(self, task_input: ClassifyAudioInput, limits: Limits) -> None:
        """Checks every field; what the file holds, the worker sees."""
        check_audio(task_input, limits)
        if task_input.function:
            check_word(task_input.function, "function", FUNCTIONS)
        check_positive(task_input.top_k, "top_k")

    def links(self, task_input: ClassifyAudioInput) -> Sequence[Link]:
        """That of the audio."""
        return audio_links(task_input)

    def input_units(self, task_input: ClassifyAudioInput) -> int:
        """The bytes of the file."""
        return len(task_input.audio)

    def usage(self, output: ClassifyAudioOutput) -> Usage:
        """Nothing is written."""
        del output
        return Usage(0, 0)

    def join(self, parts: Sequence[ClassifyAudioOutput]) -> ClassifyAudioOutput:
        """The only part."""
        return parts[-1]
