"""What each task says of its inputs and outputs: their costs and their usage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from panope_server.tasks.catalog import MAX_REQUEST_ITEMS, requests_of, task_of, tasks
from panope_server.tasks.embed import EmbedInput, EmbedOutput
from panope_server.tasks.embed.task import EmbedTask
from panope_server.tasks.task import Input, Output
from panope_server.tasks.tensors import NamedTensor, TensorInput, TensorOutput
from panope_server.tasks.tokenize import DetokenizeInput, DetokenizeOutput, TokenizedText, TokenizeInput, TokenizeOutput


@pytest.mark.parametrize(
    ("task_input", "items", "size_bytes"),
    [
        (EmbedInput(texts=["ab", "c"]), 2, 3),
        (EmbedInput(token_sequences=[[1, 2], [3]]), 2, 12),
        (TensorInput([NamedTensor("x", "int8", (3,), b"abc")]), 1, 3),
        (TokenizeInput(["abc"]), 1, 3),
        (DetokenizeInput([[1], [2]]), 2, 8),
    ],
)
def test_the_cost_of_a_request_counts_items_and_bytes(task_input: Input, items: int, size_bytes: int) -> None:
    (request,) = requests_of(task_input)
    assert (request.items, request.size_bytes) == (items, size_bytes)


@pytest.mark.parametrize(
    ("task_input", "answer", "units"),
    [
        (EmbedInput(["a b"]), EmbedOutput(b"\0" * 12, 1, 3, [4], []), (4, 12)),
        (EmbedInput(["a b"]), None, (0, 0)),
        (TensorInput([NamedTensor("x", "int8", (3,), b"abc")]), None, (3, 0)),
        (
            TensorInput([NamedTensor("x", "int8", (3,), b"abc")]),
            TensorOutput([NamedTensor("y", "int8", (2,), b"ab")]),
            (3, 2),
        ),
        (TokenizeInput(["a b"]), TokenizeOutput([TokenizedText([1, 2], ["a", "b"], [0, 2], [1, 3])]), (2, 2)),
        (DetokenizeInput([[1, 2, 3]]), DetokenizeOutput(["é"]), (3, 2)),
    ],
)
def test_units_are_tokens_of_text_and_bytes_of_others(
    task_input: Input, answer: Output | None, units: tuple[int, int]
) -> None:
    task = task_of(task_input)
    input_units, output_units = task.input_units(task_input), 0
    if answer is not None:
        usage = task.usage(answer)
        input_units, output_units = input_units + usage.input_units, usage.output_units
    assert (input_units, output_units) == units


def test_every_task_is_found_by_its_name_and_by_its_input() -> None:
    assert {task.name for task in tasks()} >= {"embed", "tensors", "tokenize", "detokenize"}
    assert task_of(EmbedInput(["a"])).name == "embed"


@pytest.mark.parametrize("field", ["texts", "token_sequences"])
def test_a_large_input_is_split_the_same_way_each_time_and_nothing_of_it_is_lost(field: str) -> None:
    whole: list[Any] = [[number] if field == "token_sequences" else f"text {number}" for number in range(70)]
    task_input = EmbedInput(**{field: whole}, truncation="end", normalize=True, dimensions=3, purpose="query")
    parts = EmbedTask().split(task_input, 32)
    assert [part.first_index for part in parts] == [0, 32, 64]
    assert [item for part in parts for item in getattr(part, field)] == whole
    for part in parts:
        assert replace(part, **{field: whole}, first_index=0) == task_input
    assert requests_of(task_input) == requests_of(task_input)
    assert sum(request.items for request in requests_of(task_input)) == 70


def test_an_input_that_is_not_large_stays_whole() -> None:
    task_input = EmbedInput(["text"] * MAX_REQUEST_ITEMS)
    assert EmbedTask().split(task_input, MAX_REQUEST_ITEMS) == [task_input]
    assert len(requests_of(TensorInput([NamedTensor("x", "int8", (100, 1), bytes(100))]))) == 1


def test_answers_of_parts_are_joined_in_their_order() -> None:
    parts = [EmbedOutput(b"ab", 2, 1, [3, 4], [1]), EmbedOutput(b"c", 1, 1, [5], [2])]
    assert EmbedTask().join(parts) == EmbedOutput(b"abc", 3, 1, [3, 4, 5], [1, 2])
