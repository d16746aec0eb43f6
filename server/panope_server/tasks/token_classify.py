"""Task `token-classify`: texts to the entities in them, such as names and places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from msgspec import Struct

from panope.worker.v1 import classify_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks import agreement
from panope_server.tasks.classify.types import ClassifySpec, spec_of
from panope_server.tasks.json_values import names_in_value, whole_number
from panope_server.tasks.task import JsonForm, Workload
from panope_server.tasks.texts import TRUNCATIONS, BatchInput, TextsOutput, TextsTask, text_cost
from panope_server.tasks.validation import check_length, check_texts, check_word
from panope_server.tasks.workload import texts_workloads

Aggregation = Literal["none", "simple", "first", "average", "max"]
"""How tokens become entities, in transformers' words."""

AGGREGATIONS = ("none", "simple", "first", "average", "max")

IGNORED = ("O",)
"""The label of tokens that are nothing, which are not told unless a caller says otherwise."""

MAX_IGNORED = 1024
MAX_STRIDE = 1 << 20


@dataclass(slots=True)
class TokenClassifyInput(BatchInput):
    """Texts to find entities in.

    Attributes:
        ignore_labels: labels whose tokens are not told.
        stride: how many tokens the pieces of a text that is too long have in common; None where it runs whole.
    """

    texts: list[str]
    aggregation: Aggregation = "simple"
    ignore_labels: list[str] = field(default_factory=lambda: list(IGNORED))
    stride: int | None = None


@dataclass(slots=True)
class Entity:
    """A token, or tokens of one kind that follow each other.

    Attributes:
        start: where it starts in the text, in Unicode code points.
        end: where it ends (exclusive).
        index: the position of a token among the text's, special ones counted; None where tokens are joined.
    """

    label: str
    score: float
    word: str
    start: int
    end: int
    index: int | None


@dataclass(slots=True)
class TokenClassifyOutput(TextsOutput):
    """The entities of each text, in the order of the texts."""

    texts: list[list[Entity]]
    token_counts: list[int]
    truncated_indices: list[int]


class TokenClassifyValue(Struct, forbid_unknown_fields=True):
    """The value of task `token-classify` with options; they mean what they mean in ClassifyTokensRequest."""

    texts: list[str]
    aggregation: Aggregation = "simple"
    ignore_labels: list[str] | None = None
    stride: int | float | None = None
    truncation: Literal["refuse", "end", "start"] = "refuse"


class TokenClassifyJsonForm(JsonForm[TokenClassifyInput, TokenClassifyOutput]):
    """Texts to a list of entities for each."""

    schema: ClassVar[Any] = str | list[str] | TokenClassifyValue

    def input_of(self, value: str | list[str] | TokenClassifyValue) -> TokenClassifyInput:
        """The texts."""
        if not isinstance(value, TokenClassifyValue):
            return TokenClassifyInput([value] if isinstance(value, str) else value)
        return TokenClassifyInput(
            value.texts,
            aggregation=value.aggregation,
            ignore_labels=list(IGNORED) if value.ignore_labels is None else value.ignore_labels,
            stride=whole_number(value.stride, "value.stride"),
            truncation=value.truncation,
        )

    def value_of(self, output: TokenClassifyOutput) -> list[list[dict[str, Any]]]:
        """The entities of each text; `index` of tokens that are not joined."""
        return [[_entity_value(entity) for entity in entities] for entities in output.texts]

    def fields_of(self, value: object) -> Mapping[str, str]:
        """Texts by themselves are the value."""
        return names_in_value(value, TokenClassifyValue, "texts")


class TokenClassifyTask(TextsTask[TokenClassifyInput, TokenClassifyOutput]):
    """Texts to entities."""

    name = "token-classify"
    input_type = TokenClassifyInput
    output_type = TokenClassifyOutput
    json = TokenClassifyJsonForm()
    workloads: ClassVar[Sequence[Workload]] = texts_workloads("token-classify", TokenClassifyInput)

    def encode(self, task_input: TokenClassifyInput) -> bytes:
        """The texts."""
        message = messages.TokenClassifyInput(
            texts=task_input.texts,
            truncation=task_input.truncation,
            aggregation=task_input.aggregation,
            ignore_labels=task_input.ignore_labels,
            stride=task_input.stride,
            first_index=task_input.first_index,
        )
        return message.SerializeToString()

    def decode(self, data: bytes) -> TokenClassifyOutput:
        """The entities."""
        message = messages.TokenClassifyOutput.FromString(data)
        return TokenClassifyOutput(
            texts=[[_entity(entity) for entity in text.entities] for text in message.texts],
            token_counts=list(message.token_counts),
            truncated_indices=list(message.truncated_indices),
        )

    def cost(self, task_input: TokenClassifyInput, data: bytes) -> tuple[int, int]:
        """Texts, and their characters."""
        del data
        return text_cost(task_input.texts, [])

    def split(self, task_input: TokenClassifyInput, max_items: int) -> Sequence[TokenClassifyInput]:
        """So many texts in each part; one where texts run in pieces."""
        return super().split(task_input, max_items if task_input.stride is None else 1)

    def agreement(self, expected: TokenClassifyOutput, found: TokenClassifyOutput) -> float:
        """The entities that both have found, by their places and labels."""
        places = ([{(e.label, e.start, e.end) for e in each} for each in output.texts] for output in (expected, found))
        return agreement.of_each(agreement.of_sets, *places)

    def validate(self, task_input: TokenClassifyInput, limits: Limits) -> None:
        """Checks every field."""
        check_texts(task_input.texts, limits)
        check_word(task_input.aggregation, "aggregation", AGGREGATIONS)
        check_word(task_input.truncation, "truncation", TRUNCATIONS)
        if (count := len(task_input.ignore_labels)) > MAX_IGNORED:
            raise InvalidInputError.at(
                "ignore_labels", "{field} has {count:,} labels; the limit is {limit:,}", count=count, limit=MAX_IGNORED
            )
        for index, label in enumerate(task_input.ignore_labels):
            check_length(label, f"ignore_labels[{index}]")
        if task_input.stride is not None and not 0 <= task_input.stride <= MAX_STRIDE:
            raise InvalidInputError.at("stride", "{field} must be at least 0 and at most {limit:,}", limit=MAX_STRIDE)

    def facts_of(self, ready: wire.Ready) -> ClassifySpec:
        """The labels."""
        return spec_of(ready)


def _entity(message: messages.Entity) -> Entity:
    index = message.index if message.HasField("index") else None
    return Entity(message.label, message.score, message.word, message.start, message.end, index)


def _entity_value(entity: Entity) -> dict[str, Any]:
    value = {
        "label": entity.label,
        "score": entity.score,
        "word": entity.word,
        "start": entity.start,
        "end": entity.end,
    }
    return value if entity.index is None else {**value, "index": entity.index}
