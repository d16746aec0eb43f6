"""Answers that are kept item by item: what is run of a call, and how its answer is put together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from cache_doubles import SECONDS, Cached, vector_of
from hypothesis import given, settings
from hypothesis import strategies as st

from panope_backends.errors import InvalidInputError
from panope_server.pipeline.cache.kept import answer_of
from panope_server.pipeline.cache.lookup import JOINED_ITEMS
from panope_server.pipeline.call import NO_STORE
from panope_server.pipeline.step import Pipeline
from panope_server.tasks.catalog import task_named
from panope_server.tasks.classify import ClassifyInput, ClassifyOutput, LabelScore
from panope_server.tasks.embed import EmbedInput, EmbedOutput
from panope_server.tasks.rerank import RerankInput, RerankOutput
from panope_server.tasks.task import Input, Output
from panope_server.tasks.token_classify import Entity, TokenClassifyInput, TokenClassifyOutput
from panope_server.tasks.zero_shot import ZeroShotInput, ZeroShotOutput


async def test_of_a_hundred_texts_of_which_one_is_new_one_is_run(cached: Any) -> None:
    texts = [f"text {number}" for number in range(100)]
    await cached.ask([text for text in texts if text != "text 50"])
    cached.computer.ran.clear()
    answer, status = await cached.ask(texts)
    assert (cached.computer.ran, status) == (["text 50"], "miss")
    assert (answer.count, answer.vectors[50 * 8 : 51 * 8]) == (100, b"text 50\0")


async def test_equal_texts_of_one_call_are_run_once(cached: Any) -> None:
    answer, _ = await cached.ask(["a", "b", "a"])
    assert cached.computer.ran == ["a", "b"]
    assert (answer.count, answer.vectors[:8]) == (3, answer.vectors[16:])


async def test_texts_that_were_cut_are_named_by_their_positions_in_each_call(cached: Any) -> None:
    long = "a text of more than twenty characters"
    assert (await cached.ask(["a", long]))[0].truncated_indices == [1]
    assert (await cached.ask([long, "new", "a", long]))[0].truncated_indices == [0, 3]


async def test_an_error_names_the_position_that_the_text_has_in_its_call(cached: Any) -> None:
    await cached.ask(["a", "b"])
    cached.computer.error = InvalidInputError.at("texts[1]", "{field} has too many tokens")
    with pytest.raises(InvalidInputError) as raised:
        await cached.ask(["a", "new", "b", "bad"])
    assert (raised.value.field, raised.value.message) == ("texts[3]", "`texts[3]` has too many tokens")


async def test_the_parts_of_a_large_call_go_on_as_they_come(cached: Any) -> None:
    texts = [f"text {number}" for number in range(70)]
    async with cached.pipeline.stream(cached.call(texts)) as parts:
        counts = [part.count async for part in parts]
    assert counts == [32, 32, 6]


async def test_calls_that_come_together_run_a_text_once(cached: Any) -> None:
    cached.computer.gate = asyncio.Event()
    calls = [asyncio.create_task(cached.ask(["a", f"own {number}"])) for number in range(5)]
    async with asyncio.timeout(SECONDS):
        await cached.computer.until_ran(6)
        cached.computer.gate.set()
        answers = await asyncio.gather(*calls)
    assert sorted(cached.computer.ran) == ["a", *(f"own {number}" for number in range(5))]
    assert all(answer.vectors[:8] == b"a".ljust(8, b"\0") for answer, _ in answers)
    assert cached.counted("response_cache_joined") == 4


async def test_a_call_whose_texts_others_all_run_is_a_hit(cached: Any) -> None:
    cached.computer.gate = asyncio.Event()
    first = asyncio.create_task(cached.ask(["a"]))
    await cached.computer.until_ran(1)
    second = asyncio.create_task(cached.ask(["a"]))
    await asyncio.sleep(0)
    cached.computer.gate.set()
    assert [(await first)[1], (await second)[1]] == ["miss", "hit"]


async def test_a_call_that_ends_early_does_not_end_the_run_that_another_waits_for(cached: Any) -> None:
    cached.computer.gate = asyncio.Event()
    first = asyncio.create_task(cached.ask(["a"]))
    await cached.computer.until_ran(1)
    second = asyncio.create_task(cached.ask(["a"]))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    cached.computer.gate.set()
    async with asyncio.timeout(SECONDS):
        answer, _ = await second
    assert (answer.count, cached.computer.ran, cached.computer.gone) == (1, ["a"], 0)


async def test_a_run_that_nobody_waits_for_any_more_is_ended(cached: Any) -> None:
    cached.computer.gate = asyncio.Event()
    calls = [asyncio.create_task(cached.ask(["a"])) for _ in range(2)]
    await cached.computer.until_ran(1)
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    await cached.computer.until(lambda: cached.computer.gone == 1)
    cached.computer.gate = None
    assert (await cached.ask(["a"]))[1] == "miss"


async def test_the_failure_of_a_run_is_its_own_calls_alone(cached: Any) -> None:
    cached.computer.gate = asyncio.Event()
    first = asyncio.create_task(cached.ask(["a"]))
    await cached.computer.until_ran(1)
    others = [asyncio.create_task(cached.ask([f"own {number}", "a"])) for number in range(3)]
    await cached.computer.until_ran(4)
    cached.computer.error = InvalidInputError.at("texts[0]", "{field} is too long")
    cached.computer.gate.set()
    async with asyncio.timeout(SECONDS):
        with pytest.raises(InvalidInputError):
            await first
        answers = await asyncio.gather(*others)
    assert [status for _, status in answers] == ["miss"] * 3
    assert cached.computer.ran.count("a") == 4


async def test_a_run_that_others_may_join_does_not_end_at_its_own_callers_deadline(cached: Any) -> None:
    shared = []

    async def remember(call: Any) -> None:
        shared.append(call.is_shared)
        await cached.computer.answer(call)

    cached.pipeline = Pipeline([cached.step], remember)
    await cached.ask(["a"])
    await cached.ask(["a"], NO_STORE)
    assert shared == [True, False]


@pytest.mark.parametrize(("items", "joins"), [(JOINED_ITEMS, True), (JOINED_ITEMS + 1, False)])
async def test_a_small_call_does_not_wait_behind_the_items_of_a_large_one(cached: Any, items: int, joins: bool) -> None:
    cached.computer.gate = asyncio.Event()
    texts = [f"text {number}" for number in range(items)]
    large = asyncio.create_task(cached.ask(texts))
    await cached.computer.until_ran(1)
    small = asyncio.create_task(cached.ask(texts[-1:]))
    equal = asyncio.create_task(cached.ask(texts))
    await asyncio.sleep(0)
    cached.computer.gate.set()
    async with asyncio.timeout(SECONDS):
        answers = await asyncio.gather(large, small, equal)
    assert cached.computer.ran.count(texts[-1]) == (1 if joins else 2)
    assert cached.computer.ran.count(texts[0]) == 1, "a call as large joins"
    assert answers[1][0].vectors == vector_of(texts[-1])


@pytest.mark.parametrize(("first", "second", "runs"), [(0, 0, 1), (5, 0, 1), (-1, 0, 2), (0, 1, 2)])
async def test_an_urgent_call_does_not_wait_for_the_run_of_one_that_is_less(
    cached: Any, first: int, second: int, runs: int
) -> None:
    cached.computer.gate = asyncio.Event()
    calls = [cached.call(["a"]) for _ in range(2)]
    calls[0].priority, calls[1].priority = first, second
    tasks = []
    for call in calls:
        tasks.append(asyncio.create_task(cached.pipeline.run(call)))
        for _ in range(10):
            await asyncio.sleep(0)
    cached.computer.gate.set()
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*tasks)
    assert cached.computer.ran == ["a"] * runs


CALLS = st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=5), min_size=1, max_size=6)


@settings(max_examples=30)
@given(CALLS, CALLS)
async def test_calls_in_any_company_get_what_they_would_get_alone(
    before: Sequence[Sequence[str]], together: Sequence[Sequence[str]]
) -> None:
    cached = Cached()
    for texts in before:
        await cached.ask(texts)
    answers = await asyncio.gather(*(cached.ask(texts) for texts in together))
    for texts, (answer, _) in zip(together, answers, strict=True):
        assert answer.vectors == b"".join(text.encode().ljust(8, b"\0") for text in texts)
        assert answer.token_counts == [1] * len(texts)
    assert len(cached.computer.ran) == len(set(cached.computer.ran)), "each text was run once"


PARTS: list[tuple[Input, Output]] = [
    (EmbedInput(["a", "b", "c"]), EmbedOutput(bytes(range(24)), 3, 2, [1, 2, 3], [5])),
    (
        ClassifyInput(["a", "b", "c"]),
        ClassifyOutput([[LabelScore(label, 0.5)] for label in "xyz"], [1, 2, 3], [4, 6]),
    ),
    (RerankInput("q", ["a", "b", "c"]), RerankOutput([0.5, 0.25, 1.0], [1, 2, 3], [5])),
    (
        TokenClassifyInput(["a", "b", "c"]),
        TokenClassifyOutput([[Entity("PER", 0.5, "a", 0, 1, None)], [], []], [1, 2, 3], []),
    ),
    (ZeroShotInput(["a", "b", "c"], ["x", "y"]), ZeroShotOutput([0.5, 0.5, 0.1, 0.9, 1.0, 0.0], [1, 2, 3], [4])),
]


@pytest.mark.parametrize(("task_input", "part"), PARTS, ids=[type(part).__name__ for _, part in PARTS])
def test_a_part_that_is_taken_apart_kept_and_joined_is_the_same(cached: Any, task_input: Input, part: Output) -> None:
    task = next(task for name in TASKS if (task := task_named(name)) and isinstance(task_input, task.input_type))
    form = task.canonical(task_input, None)
    assert form is not None
    assert len(form.items) == 3
    kept = [cached.kept.packed(answer) for answer in task.answers(part, 4)]
    read = [task.answer_at(answer_of(task, value), 4 + position) for position, value in enumerate(kept)]
    assert task.join(read) == part


TASKS = ("embed", "classify", "rerank", "token-classify", "zero-shot")
