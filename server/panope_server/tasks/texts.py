"""Texts, or the token ids of texts: what the inputs of several tasks are made of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields, replace
from itertools import chain
from typing import Any, ClassVar, TypeVar

from panope.worker.v1.tokenize_pb2 import TokenSequence
from panope_server.observability.metrics import Metrics
from panope_server.tasks.task import Canonical, Input, Output, Task, Usage

_POSITION = re.compile(r"(?P<name>\w+)\[(?P<index>\d+)\]")

TRUNCATIONS = ("refuse", "end", "start")

#: Bytes that a queue counts for a token id.
TOKEN_BYTES = 4


@dataclass(slots=True, kw_only=True)
class BatchInput(Input):
    """Texts that run as batches.

    Attributes:
        truncation: `refuse`, `end` or `start`; of texts that are read together the longer loses first.
        first_index: the position in the call of the first text; more than 0 for parts of a large call.
    """

    truncation: str = "refuse"
    first_index: int = 0


@dataclass(slots=True)
class TextsInput(BatchInput):
    """Texts to run; exactly one of `texts` and `token_sequences` is filled.

    Attributes:
        own_ids: whether `token_sequences` are ids of the model's vocabulary; otherwise nobody knows yet whose they are.
    """

    texts: list[str] = field(default_factory=list)
    token_sequences: list[list[int]] = field(default_factory=list)
    own_ids: bool = True


class TextsOutput(Output):
    """A dataclass of lists, in the order of the texts.

    Attributes:
        token_counts: of each text as it was run.
        truncated_indices: positions in the call of the texts that were cut.
    """

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    token_counts: list[int]
    truncated_indices: list[int]


B = TypeVar("B", bound=BatchInput)
T = TypeVar("T", bound=TextsOutput)


class TextsTask(Task[B, T]):
    """A task that gives something for each text.

    Attributes:
        item_lists: the fields of an input that have an item for each text; one that is empty has none.
        apart: fields of an input that change no text's answer.
    """

    answers_each = True
    item_lists: ClassVar[tuple[str, ...]] = ("texts",)
    apart: ClassVar[frozenset[str]] = frozenset()

    input_unit = "tokens"
    output_unit = "bytes"

    def join(self, parts: Sequence[T]) -> T:
        """The lists of all parts, one after another."""
        kind = type(parts[0])
        return kind(*(list(chain.from_iterable(getattr(part, each.name) for part in parts)) for each in fields(kind)))

    def split(self, task_input: B, max_items: int) -> Sequence[B]:
        """So many texts in each part."""
        return split_lists(task_input, max_items, *self.item_lists)

    def canonical(self, task_input: B, facts: object) -> Canonical | None:
        """Each text, and with all of them the options."""
        del facts
        lists = {name: given for name in self.item_lists if (given := getattr(task_input, name))}
        left_out = self.apart.union(self.item_lists, ("first_index",))
        options = {
            each.name: getattr(task_input, each.name) for each in fields(task_input) if each.name not in left_out
        }
        size = sum(len(item) for items in lists.values() for item in items)
        return Canonical((sorted(lists), options), list(zip(*lists.values(), strict=True)), size)

    def pick(self, task_input: B, positions: Sequence[int]) -> B:
        """Those texts alone."""
        lists = {name: given for name in self.item_lists if (given := getattr(task_input, name))}
        picked: dict[str, Any] = {name: [items[at] for at in positions] for name, items in lists.items()}
        return replace(task_input, first_index=0, **picked)

    def path_at(self, path: str, positions: Sequence[int]) -> str:
        """With the position that the text had before."""
        if (found := _POSITION.match(path)) is None or found["name"] not in self.item_lists:
            return path
        return f"{found['name']}[{positions[int(found['index'])]}]{path[found.end() :]}"

    def answers(self, part: T, first: int) -> Sequence[T]:
        """What each text has of every list."""
        truncated = frozenset(part.truncated_indices)
        found = [self.answer_of(part, index) for index in range(len(part.token_counts))]
        for index, answer in enumerate(found):
            answer.truncated_indices = [0] if first + index in truncated else []
        return found

    def answer_of(self, part: T, index: int) -> T:
        """What one text of a part has of every list; `truncated_indices` is set by the caller."""
        return type(part)(*(getattr(part, each.name)[index : index + 1] for each in fields(part)))

    def answer_at(self, answer: T, position: int) -> T:
        """With the position, if the text was cut."""
        answer.truncated_indices = [position] if answer.truncated_indices else []
        return answer

    def text_of(self, task_input: B) -> str:
        """The texts, a line each; those that are compared with them are not among them."""
        texts = getattr(task_input, "texts", None) or [getattr(task_input, "query", "")]
        return "\n".join(texts)

    def usage(self, output: T) -> Usage:
        """Tokens of the texts."""
        return Usage(sum(output.token_counts), 0)

    def observe(self, output: T, usage: Usage, metrics: Metrics, model: str) -> None:
        """Counts tokens, and texts that were cut."""
        metrics.input_tokens.labels(model).inc(usage.input_units)
        if output.truncated_indices:
            metrics.truncated_items.labels(model).inc(len(output.truncated_indices))


def split_lists(task_input: B, max_items: int, *names: str) -> Sequence[B]:
    """Parts of at most so many items, in order.

    Args:
        task_input: as a whole.
        max_items: of one part.
        names: of the lists to split; one that is empty stays so.
    """
    count = max(len(getattr(task_input, name)) for name in names)
    if count <= max_items:
        return [task_input]
    return [
        replace(
            task_input,
            first_index=start,
            **{name: getattr(task_input, name)[start : start + max_items] for name in names},
        )
        for start in range(0, count, max_items)
    ]


#: Characters that go to a worker as one request, unless one item has more.
_PART_CHARACTERS = 1 << 16


def split_by_size(task_input: B, max_items: int, measured: str, *others: str) -> Sequence[B]:
    """Parts of at most so many items, and of few characters, in order.

    Args:
        task_input: as a whole.
        max_items: of one part.
        measured: the list whose texts may be long.
        others: lists that have an item for each of it.
    """
    texts: list[str] = getattr(task_input, measured)
    starts, size = [0], 0
    for index, text in enumerate(texts):
        size += len(text)
        if index > starts[-1] and (size > _PART_CHARACTERS or index - starts[-1] >= max_items):
            starts.append(index)
            size = len(text)
    if len(starts) == 1:
        return [task_input]
    return [
        replace(
            task_input,
            first_index=start,
            **{name: getattr(task_input, name)[start:end] for name in (measured, *others)},
        )
        for start, end in zip(starts, [*starts[1:], len(texts)], strict=True)
    ]


def text_cost(texts: list[str], token_sequences: list[list[int]]) -> tuple[int, int]:
    """Items and bytes of texts and sequences; bytes of text are estimated by its characters."""
    size = sum(map(len, texts)) + sum(map(len, token_sequences)) * TOKEN_BYTES
    return len(texts) + len(token_sequences), size


def sequence_messages(token_sequences: list[list[int]]) -> list[TokenSequence]:
    """Sequences of ids as workers take them.

    Raises:
        ValueError, TypeError: an id that the message does not hold.
    """
    return [TokenSequence(ids=ids) for ids in token_sequences]
