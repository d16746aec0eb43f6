"""Task `fill-mask`: texts with masks to the tokens that fill them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from msgspec import Struct

from panope.worker.v1 import text_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks import agreement
from panope_server.tasks.json_values import names_in_value, whole_number
from panope_server.tasks.task import JsonForm, MeasuredModel, Workload
from panope_server.tasks.text_spec import TextSpec, text_spec_of
from panope_server.tasks.texts import TRUNCATIONS, BatchInput, TextsOutput, TextsTask, text_cost
from panope_server.tasks.validation import check_length, check_range, check_texts, check_word
from panope_server.tasks.workload import SingleWorkload, text_of

MAX_FILLINGS = 100
MAX_TARGETS = 1000

#: Texts that go to a worker as one: it keeps a value for each word of the vocabulary, for each of their masks.
MAX_PART_TEXTS = 8


@dataclass(slots=True)
class FillMaskInput(BatchInput):
    """Texts with masks.

    Attributes:
        top_k: how many tokens to tell of each mask.
        targets: the only tokens that are told; empty for all.
    """

    texts: list[str]
    top_k: int = 5
    targets: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Filling:
    """A token in the place of a mask.

    Attributes:
        token: as it is spelt.
        sequence: the text with it.
    """

    token_id: int
    token: str
    score: float
    sequence: str


@dataclass(slots=True)
class FillMaskOutput(TextsOutput):
    """What fills each mask of each text, the highest score first."""

    texts: list[list[list[Filling]]]
    token_counts: list[int]
    truncated_indices: list[int]


class FillMaskValue(Struct, forbid_unknown_fields=True):
    """The value of task `fill-mask` with options; they mean what they mean in FillMaskRequest."""

    texts: list[str]
    top_k: int | float = 5
    targets: list[str] = []
    truncation: Literal["refuse", "end", "start"] = "refuse"


class FillMaskJsonForm(JsonForm[FillMaskInput, FillMaskOutput]):
    """Texts to a list of masks for each, and a list of fillings for each mask."""

    schema: ClassVar[Any] = str | list[str] | FillMaskValue

    def input_of(self, value: str | list[str] | FillMaskValue) -> FillMaskInput:
        """The texts."""
        if not isinstance(value, FillMaskValue):
            return FillMaskInput([value] if isinstance(value, str) else value)
        top_k = int(whole_number(value.top_k, "value.top_k") or 0)
        return FillMaskInput(value.texts, top_k, value.targets, truncation=value.truncation)

    def value_of(self, output: FillMaskOutput) -> list[list[list[dict[str, Any]]]]:
        """The fillings of each mask of each text."""
        return [[[filling_value(filling) for filling in mask] for mask in text] for text in output.texts]

    def fields_of(self, value: object) -> Mapping[str, str]:
        """Texts by themselves are the value."""
        return names_in_value(value, FillMaskValue, "texts")


class FillMaskTask(TextsTask[FillMaskInput, FillMaskOutput]):
    """Texts to what fills their masks."""

    name = "fill-mask"
    input_type = FillMaskInput
    output_type = FillMaskOutput
    json = FillMaskJsonForm()
    workloads: ClassVar[Sequence[Workload]] = (
        SingleWorkload("fill-mask-22-words-batch-8", lambda number, model: _masked(number, model, 8), 8),
        SingleWorkload("fill-mask-22-words-batch-1", lambda number, model: _masked(number, model, 1)),
    )

    def encode(self, task_input: FillMaskInput) -> bytes:
        """The texts."""
        message = messages.FillMaskInput(
            texts=task_input.texts,
            top_k=task_input.top_k,
            targets=task_input.targets,
            truncation=task_input.truncation,
            first_index=task_input.first_index,
        )
        return message.SerializeToString()

    def decode(self, data: bytes) -> FillMaskOutput:
        """What fills the masks."""
        message = messages.FillMaskOutput.FromString(data)
        return FillMaskOutput(
            texts=[[[_filling(each) for each in mask.fillings] for mask in text.masks] for text in message.texts],
            token_counts=list(message.token_counts),
            truncated_indices=list(message.truncated_indices),
        )

    def cost(self, task_input: FillMaskInput, data: bytes) -> tuple[int, int]:
        """Texts, and their characters."""
        del data
        return text_cost(task_input.texts, [])

    def split(self, task_input: FillMaskInput, max_items: int) -> Sequence[FillMaskInput]:
        """Few texts in each part."""
        return super().split(task_input, min(max_items, MAX_PART_TEXTS))

    def agreement(self, expected: FillMaskOutput, found: FillMaskOutput) -> float:
        """How near the scores of the likeliest tokens are."""
        masks = ([mask for text in each.texts for mask in text] for each in (expected, found))
        scores = ([{token.token_id: token.score for token in mask} for mask in each] for each in masks)
        return agreement.of_each(agreement.of_scores, *scores)

    def validate(self, task_input: FillMaskInput, limits: Limits) -> None:
        """Checks every field."""
        check_texts(task_input.texts, limits)
        check_word(task_input.truncation, "truncation", TRUNCATIONS)
        check_range(task_input, "top_k", 1, MAX_FILLINGS)
        if (count := len(task_input.targets)) > MAX_TARGETS:
            raise InvalidInputError.at(
                "targets", "{field} has {count:,} tokens; the limit is {limit:,}", count=count, limit=MAX_TARGETS
            )
        for index, target in enumerate(task_input.targets):
            check_length(target, f"targets[{index}]")

    def facts_of(self, ready: wire.Ready) -> TextSpec:
        """Its mask."""
        return text_spec_of(ready)


def _masked(number: int, model: MeasuredModel, batch: int) -> FillMaskInput:
    """Texts that end with a mask."""
    mask = model.facts.mask_token if isinstance(model.facts, TextSpec) else "[MASK]"
    return FillMaskInput([f"{text_of(number * batch + place, 21)} {mask}" for place in range(batch)])


def filling_value(filling: Filling) -> dict[str, Any]:
    """A token in the place of a mask, in JSON, as the Inference API has it."""
    return {
        "score": filling.score,
        "token": filling.token_id,
        "token_str": filling.token,
        "sequence": filling.sequence,
    }


def _filling(message: messages.Filling) -> Filling:
    return Filling(message.token_id, message.token, message.score, message.sequence)
