"""Task `zero-shot`: texts to scores of labels that the caller brings, by a classifier that tells what entails what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from msgspec import Struct

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks.classify.types import LabelScore
from panope_server.tasks.json_values import names_in_value
from panope_server.tasks.task import JsonForm
from panope_server.tasks.texts import TRUNCATIONS, BatchInput, TextsOutput, TextsTask
from panope_server.tasks.validation import check_length, check_texts, check_word

DEFAULT_TEMPLATE = "This example is {}."
"""As transformers has it."""

#: Of a label or a template; each goes before the model once for every text.
MAX_LABEL_CHARACTERS = 1024


@dataclass(slots=True)
class ZeroShotInput(BatchInput):
    """Texts, and labels that may fit them.

    Attributes:
        hypothesis_template: what is said of a text, with `{}` in the place of a label.
        multi_label: whether each label has a score of its own; otherwise those of a text sum up to 1.
    """

    texts: list[str]
    candidate_labels: list[str]
    hypothesis_template: str = DEFAULT_TEMPLATE
    multi_label: bool = False


@dataclass(slots=True)
class ZeroShotOutput(TextsOutput):
    """The scores of the labels, in the order of texts and labels: `labels` of each text.

    Attributes:
        token_counts: of each text as it was run, over all labels.
    """

    scores: list[float]
    token_counts: list[int]
    truncated_indices: list[int]

    def ranked(self, labels: Sequence[str]) -> list[list[LabelScore]]:
        """The labels of each text, that of the highest score first; of equal ones the first."""
        rows = (self.scores[start : start + len(labels)] for start in range(0, len(self.scores), len(labels)))
        return [sorted(map(LabelScore, labels, row), key=lambda found: -found.score) for row in rows]


class ZeroShotValue(Struct, forbid_unknown_fields=True):
    """The value of task `zero-shot`; its fields mean what they mean in ClassifyZeroShotRequest."""

    texts: list[str]
    candidate_labels: list[str]
    hypothesis_template: str = DEFAULT_TEMPLATE
    multi_label: bool = False
    truncation: Literal["refuse", "end", "start"] = "refuse"


class ZeroShotJsonForm(JsonForm[ZeroShotInput, ZeroShotOutput]):
    """Texts and labels to a list of scores for each text, in the order of the labels."""

    schema: ClassVar[Any] = ZeroShotValue

    def input_of(self, value: ZeroShotValue) -> ZeroShotInput:
        """The texts and the labels."""
        return ZeroShotInput(
            value.texts,
            value.candidate_labels,
            hypothesis_template=value.hypothesis_template,
            multi_label=value.multi_label,
            truncation=value.truncation,
        )

    def value_of(self, output: ZeroShotOutput) -> list[list[float]]:
        """The scores of each text."""
        width = len(output.scores) // max(1, len(output.token_counts))
        return [output.scores[start : start + width] for start in range(0, len(output.scores), width)]

    def fields_of(self, value: object) -> Mapping[str, str]:
        """Each in the value."""
        return names_in_value(value, ZeroShotValue, "texts")


class ZeroShotTask(TextsTask[ZeroShotInput, ZeroShotOutput]):
    """Labels of the caller's own."""

    name = "zero-shot"
    input_type = ZeroShotInput
    output_type = ZeroShotOutput
    json = ZeroShotJsonForm()

    def encode(self, task_input: ZeroShotInput) -> bytes:
        """The texts and the labels."""
        message = messages.ZeroShotInput(
            texts=task_input.texts,
            candidate_labels=task_input.candidate_labels,
            hypothesis_template=task_input.hypothesis_template,
            multi_label=task_input.multi_label,
            truncation=task_input.truncation,
            first_index=task_input.first_index,
        )
        return message.SerializeToString()

    def decode(self, data: bytes) -> ZeroShotOutput:
        """The scores."""
        message = messages.ZeroShotOutput.FromString(data)
        return ZeroShotOutput(list(message.scores), list(message.token_counts), list(message.truncated_indices))

    def cost(self, task_input: ZeroShotInput, data: bytes) -> tuple[int, int]:
        """Texts times labels, as the model reads each text with each label."""
        del data
        labels, texts = task_input.candidate_labels, task_input.texts
        size = sum(map(len, texts)) * len(labels) + sum(map(len, labels)) * len(texts)
        return len(texts) * len(labels), size

    def split(self, task_input: ZeroShotInput, max_items: int) -> Sequence[ZeroShotInput]:
        """As many texts in each part as are so many with all labels, and one at least."""
        return super().split(task_input, max(1, max_items // len(task_input.candidate_labels)))

    def answer_of(self, part: ZeroShotOutput, index: int) -> ZeroShotOutput:
        """The scores of all labels."""
        width = len(part.scores) // len(part.token_counts)
        scores = part.scores[index * width : (index + 1) * width]
        return ZeroShotOutput(scores, part.token_counts[index : index + 1], [])

    def validate(self, task_input: ZeroShotInput, limits: Limits) -> None:
        """Checks every field; texts times labels are as few as the items of a call."""
        check_texts(task_input.texts, limits)
        labels = task_input.candidate_labels
        check_texts(labels, limits, "candidate_labels")
        for index, label in enumerate(labels):
            check_length(label, f"candidate_labels[{index}]", MAX_LABEL_CHARACTERS)
        if len(set(labels)) < len(labels):
            raise InvalidInputError.at("candidate_labels", "{field} has a label twice")
        if (count := len(labels) * len(task_input.texts)) > limits.max_items:
            raise InvalidInputError.at(
                "candidate_labels",
                "{field} are {count:,} times a label with a text; the limit is {limit:,}",
                count=count,
                limit=limits.max_items,
            )
        check_length(task_input.hypothesis_template, "hypothesis_template", MAX_LABEL_CHARACTERS)
        if "{}" not in task_input.hypothesis_template:
            raise InvalidInputError.at("hypothesis_template", "{field} has no `{place}`, where labels go", place="{}")
        check_word(task_input.truncation, "truncation", TRUNCATIONS)
