"""What task `classify` means to the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from panope.worker.v1 import classify_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks import agreement
from panope_server.tasks.classify.json_form import ClassifyJsonForm
from panope_server.tasks.classify.types import (
    FUNCTIONS,
    ClassifyInput,
    ClassifyOutput,
    ClassifySpec,
    LabelScore,
    classifies_audio,
    classifies_images,
    classifies_videos,
    spec_of,
)
from panope_server.tasks.task import MeasuredModel, Workload
from panope_server.tasks.texts import TRUNCATIONS, TextsTask, text_cost
from panope_server.tasks.validation import check_positive, check_texts, check_word
from panope_server.tasks.workload import texts_workloads


def _takes_texts(model: MeasuredModel) -> bool:
    others = (classifies_images, classifies_audio, classifies_videos)
    return not any(takes(model.architecture) for takes in others)


class ClassifyTask(TextsTask[ClassifyInput, ClassifyOutput]):
    """Texts to labels."""

    name = "classify"
    input_type = ClassifyInput
    output_type = ClassifyOutput
    item_lists = ("texts", "second_texts")
    json = ClassifyJsonForm()
    workloads: ClassVar[Sequence[Workload]] = texts_workloads("classify", ClassifyInput, _takes_texts)

    def encode(self, task_input: ClassifyInput) -> bytes:
        """Fields that are None are left to the model's files."""
        message = messages.ClassifyInput(
            texts=task_input.texts,
            second_texts=task_input.second_texts,
            truncation=task_input.truncation,
            function=task_input.function,
            top_k=task_input.top_k,
            first_index=task_input.first_index,
        )
        return message.SerializeToString()

    def decode(self, data: bytes) -> ClassifyOutput:
        """The labels by their names."""
        message = messages.ClassifyOutput.FromString(data)
        labels, ids = list(message.labels), list(message.label_ids)
        flat = [LabelScore(labels[label], score) for label, score in zip(ids, message.scores, strict=True)]
        width = message.top_k
        starts = range(0, len(flat), width)
        return ClassifyOutput(
            texts=[flat[start : start + width] for start in starts],
            label_ids=[ids[start : start + width] for start in starts],
            token_counts=list(message.token_counts),
            truncated_indices=list(message.truncated_indices),
        )

    def cost(self, task_input: ClassifyInput, data: bytes) -> tuple[int, int]:
        """Texts, and the characters of all."""
        del data
        items, size = text_cost(task_input.texts, [])
        return items, size + sum(map(len, task_input.second_texts))

    def agreement(self, expected: ClassifyOutput, found: ClassifyOutput) -> float:
        """How near the scores of all labels are."""
        return agreement.of_each(
            lambda one, other: agreement.of_scores(dict(one), dict(other)), expected.texts, found.texts
        )

    def validate(self, task_input: ClassifyInput, limits: Limits) -> None:
        """Checks every field."""
        check_texts(task_input.texts, limits)
        if task_input.second_texts:
            check_texts(task_input.second_texts, limits, "second_texts")
            if len(task_input.second_texts) != len(task_input.texts):
                raise InvalidInputError.at(
                    "second_texts",
                    "{field} has {count:,} texts, and there are {others:,} to go with",
                    count=len(task_input.second_texts),
                    others=len(task_input.texts),
                )
        check_word(task_input.truncation, "truncation", TRUNCATIONS)
        if task_input.function:
            check_word(task_input.function, "function", FUNCTIONS)
        check_positive(task_input.top_k, "top_k")

    def facts_of(self, ready: wire.Ready) -> ClassifySpec:
        """The labels."""
        return spec_of(ready)
