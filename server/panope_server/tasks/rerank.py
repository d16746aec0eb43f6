"""Task `rerank`: a query and documents to a score for each document, by a model that reads the two together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal

from msgspec import Struct

from panope.worker.v1 import classify_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks import agreement
from panope_server.tasks.classify.types import ClassifySpec, spec_of
from panope_server.tasks.json_values import Count, names_in_value, whole_number
from panope_server.tasks.task import JsonForm, Workload
from panope_server.tasks.texts import TRUNCATIONS, BatchInput, TextsOutput, TextsTask, text_cost
from panope_server.tasks.validation import (
    check_positive,
    check_text,
    check_texts,
    check_word,
)
from panope_server.tasks.workload import texts_workloads

RerankFunction = Literal["", "sigmoid", "none"]
"""What makes scores of a model's values; empty for what the model's files say."""

RERANK_FUNCTIONS = ("sigmoid", "none")


@dataclass(slots=True)
class RerankInput(BatchInput):
    """Documents to compare with a query, or each with one of its own.

    Attributes:
        query: of all documents; empty where `queries` are given.
        queries: the query of each document; empty where all have one.
        function: that makes scores of the model's values; empty for what its files say.
        top_n: how many documents to tell of; None for all.
    """

    query: str
    documents: list[str]
    function: RerankFunction = ""
    top_n: int | None = None
    queries: list[str] = field(default_factory=list)


@dataclass(slots=True)
class RerankOutput(TextsOutput):
    """The score of each document, in the order of the documents.

    Attributes:
        token_counts: of each document as it was run, the query's included.
    """

    scores: list[float]
    token_counts: list[int]
    truncated_indices: list[int]

    def ranked(self, top_n: int | None = None) -> list[tuple[int, float]]:
        """The positions and scores of the best documents, the best first; of equal ones the first."""
        order = sorted(range(len(self.scores)), key=lambda index: -self.scores[index])
        return [(index, self.scores[index]) for index in order[:top_n]]


class RerankValue(Struct, forbid_unknown_fields=True):
    """The value of task `rerank`; its fields mean what they mean in RerankRequest."""

    query: str
    documents: list[str]
    truncation: Literal["refuse", "end", "start"] = "refuse"
    function: RerankFunction = ""
    top_n: Count | None = None


class RerankJsonForm(JsonForm[RerankInput, RerankOutput]):
    """A query and documents to a list of positions with scores, the best first."""

    schema: ClassVar[Any] = RerankValue

    def input_of(self, value: RerankValue) -> RerankInput:
        """The query and the documents."""
        return RerankInput(
            value.query,
            value.documents,
            truncation=value.truncation,
            function=value.function,
            top_n=whole_number(value.top_n, "value.top_n"),
        )

    def value_of(self, output: RerankOutput) -> list[dict[str, Any]]:
        """Every document."""
        return [{"index": index, "score": score} for index, score in output.ranked()]

    def fields_of(self, value: object) -> Mapping[str, str]:
        """Each in the value."""
        return names_in_value(value, RerankValue, "query")


class RerankTask(TextsTask[RerankInput, RerankOutput]):
    """Documents to scores."""

    name = "rerank"
    input_type = RerankInput
    output_type = RerankOutput
    item_lists = ("documents", "queries")
    apart = frozenset({"top_n"})
    also_by = frozenset({"embed"})  # those with a vector for each token
    json = RerankJsonForm()
    workloads: ClassVar[Sequence[Workload]] = texts_workloads(
        "rerank", partial(RerankInput, "where two people look at birds")
    )

    def encode(self, task_input: RerankInput) -> bytes:
        """Which documents to tell of is decided when all are known."""
        message = messages.RerankInput(
            query=task_input.query,
            documents=task_input.documents,
            truncation=task_input.truncation,
            function=task_input.function,
            first_index=task_input.first_index,
            queries=task_input.queries,
        )
        return message.SerializeToString()

    def decode(self, data: bytes) -> RerankOutput:
        """The scores."""
        message = messages.RerankOutput.FromString(data)
        return RerankOutput(list(message.scores), list(message.token_counts), list(message.truncated_indices))

    def cost(self, task_input: RerankInput, data: bytes) -> tuple[int, int]:
        """Documents, and their characters with the query's for each."""
        del data
        items, size = text_cost(task_input.documents, [])
        return items, size + items * len(task_input.query) + sum(map(len, task_input.queries))

    def agreement(self, expected: RerankOutput, found: RerankOutput) -> float:
        """How near the scores are."""
        return agreement.of_numbers(expected.scores, found.scores)

    def validate(self, task_input: RerankInput, limits: Limits) -> None:
        """Checks every field."""
        check_texts(task_input.documents, limits, "documents")
        if not task_input.queries:
            check_text(task_input.query, "query", limits)
        else:
            check_texts(task_input.queries, limits, "queries")
            if len(task_input.queries) != len(task_input.documents):
                raise InvalidInputError.at(
                    "queries",
                    "{field} has {count:,} texts, and there are {others:,} to go with",
                    count=len(task_input.queries),
                    others=len(task_input.documents),
                )
        check_word(task_input.truncation, "truncation", TRUNCATIONS)
        if task_input.function:
            check_word(task_input.function, "function", RERANK_FUNCTIONS)
        check_positive(task_input.top_n, "top_n")

    def facts_of(self, ready: wire.Ready) -> ClassifySpec:
        """The one label."""
        return spec_of(ready)
