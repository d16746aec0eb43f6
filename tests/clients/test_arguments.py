"""A wrong argument is refused before the call, as one kind of error that names it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest

from panope_client import AsyncClient, Client, InvalidArgumentError, InvalidInputError, RetryPolicy

MODEL = "vendor/fake"
CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)

#: A call's name, its arguments, the argument that the error names, and words of its message.
MISTAKES: list[tuple[str, tuple[Any, ...], dict[str, Any], str, str]] = [
    ("embed", ("one text", MODEL), {}, "texts", "put a single text into a list"),
    ("embed", (None, MODEL), {}, "texts", "must be a list; got NoneType"),
    ("embed", (["a", None], MODEL), {}, "texts", "either texts or token ids, not both"),
    ("embed", ([[1, 2], None], MODEL), {}, "texts[1]", "must be a str or token ids"),
    ("embed", ([[1, -2]], MODEL), {}, "texts[0]", "integers from 0 to 2**32 - 1"),
    ("embed", (["a", "\ud800"], MODEL), {}, "texts[1]", "must be a str that UTF-8 can encode"),
    ("embed", (["a"], 5), {}, "model", "must be a str that UTF-8 can encode; got 5"),
    ("embed", (["a"], MODEL), {"dimensions": -1}, "dimensions", "an integer from 0 to 2**32 - 1; got -1"),
    ("embed", (["a"], MODEL), {"dimensions": 1.5}, "dimensions", "an integer from 0 to 2**32 - 1; got 1.5"),
    ("embed", (["a"], MODEL), {"normalize": "yes"}, "normalize", "must be True or False; got 'yes'"),
    ("embed", (["a"], MODEL), {"normalise": True}, "normalise", "unknown option `normalise`; known are truncation"),
    ("embed", (["a"], MODEL), {"truncation": "left"}, "truncation", "one of refuse, end, start; got 'left'"),
    ("embed", (["a"], MODEL), {"timeout": "5"}, "timeout", "must be a number of seconds; got '5'"),
    ("embed", (["a"], MODEL), {"timeout": float("nan")}, "timeout", "must be a number of seconds; got nan"),
    ("embed_many", ("one text", MODEL), {}, "texts", "put a single text into a list"),
    ("embed_many", ([], MODEL), {}, "texts", "must hold at least one text"),
    ("embed_many", (5, MODEL), {}, "texts", "must be a list; got int"),
    ("embed_many", (["a"], MODEL), {"batch_size": 0}, "batch_size", "an integer of at least 1; got 0"),
    ("embed_many", (["a"], MODEL), {"concurrency": 0}, "concurrency", "an integer of at least 1; got 0"),
    ("tokenize", ("one text", MODEL), {}, "texts", "must be a list of str that UTF-8 can encode; got 'one text'"),
    ("tokenize", (["a", 5], MODEL), {}, "texts[1]", "must be a str that UTF-8 can encode; got 5"),
    ("detokenize", ([1, 2], MODEL), {}, "token_sequences[0]", "must be token ids"),
    ("infer", ([1, 2], MODEL), {}, "inputs", "must be a mapping by names"),
    ("infer", ({"x": [[1], [1, 2]]}, MODEL), {}, "inputs[x]", "input `x` is not an array"),
    ("infer", ({"x": np.zeros(1, "M8[s]")}, MODEL), {}, "inputs[x]", "has element type datetime64[s]"),
    ("infer", ({"x": np.array(["a", 1], object)}, MODEL), {}, "inputs[x]", "has a int among its elements"),
    ("infer", ({"x": np.array(["\ud800"])}, MODEL), {}, "inputs[x]", "UTF-8 cannot encode"),
    ("infer", ({"x": [1]}, MODEL, "y"), {}, "output_names", "must be a list of str"),
    ("infer_value", (object(), MODEL), {}, "value", "must be what JSON can hold"),
    ("infer_value", (CIRCLE, MODEL), {}, "value", "is nested too deeply"),
    ("infer_value", ("\ud800", MODEL), {}, "value", "UTF-8 cannot encode"),
    ("models", (), {"loaded": "yes"}, "loaded", "must be True or False; got 'yes'"),
    ("model", (b"\xff",), {}, "model", "must be a str that UTF-8 can encode"),
    ("load", (MODEL,), {"backend": 5}, "backend", "must be a str that UTF-8 can encode; got 5"),
    ("register", (MODEL,), {"task_hints": "embed"}, "task_hints", "must be a list of str"),
    ("pull", (MODEL,), {"include": "*.json"}, "include", "must be a list of str"),
    ("pull", (MODEL,), {"include": 5}, "include", "must be a list of str that UTF-8 can encode; got 5"),
    ("job", ("7",), {}, "job_id", "must be an integer from 0 to 2**64 - 1; got '7'"),
    ("wait_job", (-1,), {}, "job_id", "must be an integer from 0 to 2**64 - 1; got -1"),
    ("wait_job", (7,), {"timeout": None}, "timeout", "must be a number of seconds; got None"),
    ("read_job_file", (7, 5), {}, "name", "must be a str that UTF-8 can encode; got 5"),
    ("read_job_file", (7, "a"), {"offset": -1}, "offset", "must be an integer from 0 to 2**64 - 1; got -1"),
    ("submit_video", ("a", MODEL), {"format": "avi"}, "format", "one of mp4, webm; got 'avi'"),
    ("health", (5,), {}, "model", "must be a str that UTF-8 can encode; got 5"),
    ("wait_ready", ("soon",), {}, "timeout", "must be a number of seconds; got 'soon'"),
]


@pytest.mark.parametrize(
    ("call", "arguments", "options", "field", "words"),
    MISTAKES,
    ids=[f"{call}-{field}-{number}" for number, (call, _, _, field, _) in enumerate(MISTAKES)],
)
async def test_a_mistaken_argument_is_told_by_its_name(
    client: Any, fake: Any, call: str, arguments: tuple[Any, ...], options: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        await getattr(client, call)(*arguments, **options)

    assert caught.value.field == field
    assert words in caught.value.message
    assert not fake.requests


@pytest.mark.parametrize("kind", [InvalidInputError, TypeError, ValueError])
async def test_a_mistaken_argument_is_caught_as_what_callers_expect(client: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"`model` must be a str .* \(invalid_argument\)"):
        await client.load(5)


@pytest.mark.parametrize("batches", ["one text", 5])
async def test_batches_that_are_none_are_told(client: Any, batches: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="`batches` must be an iterable of batches"):
        await anext(client.embed_stream(batches, MODEL))


@pytest.mark.parametrize("connect", [Client], indirect=True, ids=["threads"])
async def test_the_client_for_threads_takes_no_asynchronous_batches(connect: Callable[..., Any], server: Any) -> None:
    async def batches() -> AsyncIterator[list[str]]:
        yield ["a"]

    with pytest.raises(InvalidArgumentError, match="that is not asynchronous"):
        await anext(connect().embed_stream(batches(), MODEL))


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"address": "http://localhost:8001"}, "address"),
        ({"address": 8001}, "address"),
        ({"timeout": None}, "timeout"),
        ({"metadata": [("Authorization", "Bearer k")]}, "metadata"),
        ({"metadata": [("authorization", "Bearer\n")]}, "metadata"),
        ({"metadata": ["authorization"]}, "metadata"),
        ({"api_key": "two words"}, "api_key"),
        ({"api_key": "a\n"}, "api_key"),
    ],
)
@pytest.mark.parametrize("kind", [Client, AsyncClient])
async def test_a_client_is_made_of_right_arguments_alone(kind: Any, options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        kind(**options)

    assert caught.value.field == field
    assert "Bearer" not in str(caught.value)


@pytest.mark.parametrize(
    "options", [{"max_attempts": 0}, {"max_wait_seconds": -1}, {"jitter": "much"}, {"budget": None}, {"refill": -0.1}]
)
def test_a_retry_policy_is_made_of_right_arguments_alone(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        RetryPolicy(**options)

    assert caught.value.field == next(iter(options))
