"""Task `classify-audio`: audio to the model's labels of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from panope.worker.v1 import classify_pb2 as messages
from panope_server.config import Limits
from panope_server.tasks import agreement, samples
from panope_server.tasks.classify.types import FUNCTIONS, Function, LabelScore, classifies_audio
from panope_server.tasks.speech.audio import AudioInput, AudioTask
from panope_server.tasks.task import Output, Workload
from panope_server.tasks.validation import check_positive, check_word
from panope_server.tasks.workload import SingleWorkload


@dataclass(slots=True)
class ClassifyAudioInput(AudioInput):
    """Audio to classify.

    Attributes:
        function: what makes scores of the model's values; empty for what the model's files say.
        top_k: how many labels to tell; None for all.
    """

    function: Function = ""
    top_k: int | None = None


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


class ClassifyAudioTask(AudioTask[ClassifyAudioInput, ClassifyAudioOutput]):
    """Audio to its labels; models of the task `classify` that hear answer it."""

    name = "classify-audio"
    input_type = ClassifyAudioInput
    work_of_second = 60
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

    def agreement(self, expected: ClassifyAudioOutput, found: ClassifyAudioOutput) -> float:
        """How near the scores of all labels are."""
        return agreement.of_scores(dict(expected.labels), dict(found.labels))

    def validate(self, task_input: ClassifyAudioInput, limits: Limits) -> None:
        """Checks every field; what the file holds, the worker sees."""
        super().validate(task_input, limits)
        if task_input.function:
            check_word(task_input.function, "function", FUNCTIONS)
        check_positive(task_input.top_k, "top_k")
