"""Task `rerank`: a query and documents to a score for each document, by a model that reads the two together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, ClassVar, Literal

from msgspec import Struct

from panope.worker.v1 import classify_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_server.config import Limits
from panope_server.observability.metrics import Metrics
from panope_server.tasks.classify.json_form import names_in_value
from panope_server.tasks.classify.types import TRUNCATIONS, ClassifySpec, spec_of
from panope_server.tasks.embed.workload import EmbedWorkload
from panope_server.tasks.task import Input, JsonForm, Output, Task, Usage, Workload
from panope_server.tasks.texts import text_cost
from panope_server.tasks.validation import (
    Count,
    check_positive,
    check_text,
    check_texts,
    check_word,
    observe_texts,
    whole_number,
)

RerankFunction = Literal["", "sigmoid", "none"]
"""What makes scores of a model's values; empty for what the model's files say."""

RERANK_FUNCTIONS = ("sigmoid", "none")


@dataclass(slots=True)
class RerankInput(Input):
    """Documents to compare with a query.

    Attributes:
        truncation: `refuse`, `end` or `start`; of query and document the longer loses first.
        function: that makes scores of the model's values; empty for what its files say.
        top_n: how many documents to tell of; None for all.
        first_index: the position in the call of the first document; more than 0 for parts of a large call.
    """

    query: str
    documents: list[str]
    truncation: str = "refuse"
    function: RerankFunction = ""
    top_n: int | None = None
    first_index: int = 0


@dataclass(slots=True)
class RerankOutput(Output):
    """The score of each document, in the order of the documents.

    Attributes:
        token_counts: of each document as it was run, the query's included.
        truncated_indices: positions in the call of documents that were cut.
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


@dataclass(frozen=True)
class RerankWorkload:
    """A query and documents of equal length in each call."""

    words: int
    batch: int

    @property
    def name(self) -> str:
        """As measurements are kept under it."""
        return f"rerank-{self.words}-words-batch-{self.batch}"

    @property
    def items(self) -> int:
        """Documents in one call."""
        return self.batch

    def input(self, number: int) -> RerankInput:
        """One call; no two have a document in common."""
        return RerankInput("where two people look at birds", EmbedWorkload(self.words, self.batch).input(number).texts)


class RerankTask(Task[RerankInput, RerankOutput]):
    """Documents to scores."""

    name = "rerank"
    input_type = RerankInput
    json = RerankJsonForm()
    workloads: ClassVar[Sequence[Workload]] = (RerankWorkload(22, 32), RerankWorkload(22, 1))

    def encode(self, task_input: RerankInput) -> bytes:
        """Which documents to tell of is decided when all are known."""
        message = messages.RerankInput(
            query=task_input.query,
            documents=task_input.documents,
            truncation=task_input.truncation,
            function=task_input.function,
            first_index=task_input.first_index,
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
        return items, size + items * len(task_input.query)

    def split(self, task_input: RerankInput, max_items: int) -> Sequence[RerankInput]:
        """So many documents in each part."""
        documents = task_input.documents
        return [
            replace(task_input, documents=documents[start : start + max_items], first_index=start)
            for start in range(0, len(documents), max_items)
        ]

    def join(self, parts: Sequence[RerankOutput]) -> RerankOutput:
        """The scores of all parts, one after another."""
        return RerankOutput(
            scores=list(chain.from_iterable(part.scores for part in parts)),
            token_counts=list(chain.from_iterable(part.token_counts for part in parts)),
            truncated_indices=list(chain.from_iterable(part.truncated_indices for part in parts)),
        )

    def validate(self, task_input: RerankInput, limits: Limits) -> None:
        """Checks every field."""
        check_text(task_input.query, "query", limits)
        check_texts(task_input.documents, limits, "documents")
        check_word(task_input.truncation, "truncation", TRUNCATIONS)
        if task_input.function:
            check_word(task_input.function, "function", RERANK_FUNCTIONS)
        check_positive(task_input.top_n, "top_n")

    def facts_of(self, ready: wire.Ready) -> ClassifySpec:
        """The one label."""
        return spec_of(ready)

    def usage(self, output: RerankOutput) -> Usage:
        """Tokens of query and document, for each document."""
        return Usage(sum(output.token_counts), 0)

    def observe(self, output: RerankOutput, usage: Usage, metrics: Metrics, model: str) -> None:
        """Counts tokens and documents that were cut."""
        observe_texts(usage.input_units, len(output.truncated_indices), metrics, model)
