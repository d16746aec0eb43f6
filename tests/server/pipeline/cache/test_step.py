"""Which answers are kept, for whom, and what callers may say of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cache_doubles import COMPUTATION

from panope_backends.errors import InternalError
from panope_server.access.principal import ANONYMOUS, Principal, set_principal
from panope_server.pipeline.cache.keys import keys_of
from panope_server.pipeline.call import NO_STORE, CacheControl
from panope_server.tasks.catalog import task_of
from panope_server.tasks.embed import EmbedInput
from panope_server.tasks.generate.types import GenerateInput, GenerateSpec, GenerationOptions, Sampling
from panope_server.tasks.task import Input
from panope_server.tasks.tensors import NamedTensor, TensorInput

GREEDY = GenerateInput(prompts=["once"], options=GenerationOptions(sampling=Sampling(temperature=0.0)))
TENSOR = TensorInput([NamedTensor("x", "uint8", (1,), b"\1")])


def generating(**sampling: Any) -> GenerateInput:
    return GenerateInput(prompts=["once"], options=GenerationOptions(sampling=Sampling(**sampling)))


def _keys(given: Input) -> list[bytes]:
    form = task_of(given).canonical(given, None)
    assert form is not None
    return keys_of(form, COMPUTATION, "", "task", "1.0")


def facts(defaults: bytes) -> GenerateSpec:
    return GenerateSpec(
        max_positions=9,
        vocab_size=9,
        slots=1,
        has_chat_template=False,
        has_tools=False,
        has_reasoning=False,
        template_kwargs=(),
        honoured=frozenset(),
        defaults=defaults,
        eos_token_ids=(),
    )


async def test_an_equal_call_gets_the_same_answer_without_a_run(cached: Any) -> None:
    first, status = await cached.ask(["a", "b"])
    assert status == "miss"
    again, status = await cached.ask(["a", "b"])
    assert (again, status) == (first, "hit")
    assert cached.computer.ran == ["a", "b"]


async def test_a_hit_tells_how_old_the_answer_is_and_what_computed_it(cached: Any) -> None:
    await cached.ask(["a"])
    cached.now += 12.7
    call = cached.call(["a"])
    await cached.pipeline.run(call)
    assert call.headers == {"x-cache": "hit", "age": "12"}
    assert (call.placement.variant_digest, call.placement.backend) == ("a" * 64, "openvino")
    assert (call.placement.variant, call.placement.instance) == ("openvino-fp32", "")


@pytest.mark.parametrize(
    "other",
    [
        EmbedInput(["a"], normalize=True),
        EmbedInput(["a"], dimensions=1),
        EmbedInput(["a"], truncation="end"),
        EmbedInput(["a"], purpose="query"),
        EmbedInput(["a"], prompt_name="query"),
        EmbedInput(["a "]),
        EmbedInput(token_sequences=[[97]]),
    ],
)
def test_what_changes_an_answer_is_in_its_key(other: EmbedInput) -> None:
    assert _keys(other) != _keys(EmbedInput(["a"]))


def test_what_changes_no_answer_is_not_in_its_key() -> None:
    assert _keys(EmbedInput(["a"], own_ids=False, first_index=3)) == _keys(EmbedInput(["a"]))
    streamed = replace(GREEDY, stream=True, options=replace(GREEDY.options, priority=3))
    assert _keys(streamed) == _keys(GREEDY)
    biases = (
        generating(temperature=0.0, logit_bias={1: 2.0, 3: 4.0}),
        generating(temperature=0.0, logit_bias={3: 4.0, 1: 2.0}),
    )
    assert _keys(biases[0]) == _keys(biases[1])


@pytest.mark.parametrize(
    "changed",
    [
        {"variant_digest": "b" * 64},
        {"backend": "cpu"},
        {"precision": "fp32"},
        {"device": "cuda"},
        {"cache_precision": "u8"},
    ],
)
async def test_another_computation_finds_nothing_of_the_first(cached: Any, changed: dict[str, str]) -> None:
    await cached.ask(["a"])
    before = cached.computer.computation
    cached.computer.computation = before._replace(**changed)
    assert (await cached.ask(["a"]))[1] == "miss"
    cached.computer.computation = before
    assert (await cached.ask(["a"]))[1] == "hit"


async def test_an_answer_that_something_else_has_computed_is_not_kept(cached: Any) -> None:
    def reload() -> None:
        cached.computer.computation = cached.computer.computation._replace(precision="int8")

    cached.computer.on_run = reload
    await cached.ask(["a"])
    assert len(cached.store) == 0


@pytest.mark.parametrize("given", [EmbedInput(["a", "b", "a"]), GREEDY])
async def test_the_answer_of_the_call_that_loads_its_model_is_kept(cached: Any, given: Input) -> None:
    def load() -> None:
        cached.computer.computation = COMPUTATION

    cached.computer.computation, cached.computer.on_run = None, load
    first, status = await cached.ask(given)
    assert status == "miss"
    assert await cached.ask(given) == (first, "hit")


async def test_while_nobody_knows_what_computes_nothing_is_kept(cached: Any) -> None:
    cached.computer.computation = None
    assert [(await cached.ask(["a"]))[1] for _ in range(2)] == ["miss", "miss"]
    assert len(cached.store) == 0


async def test_no_store_neither_takes_nor_keeps(cached: Any) -> None:
    assert (await cached.ask(["a"], NO_STORE))[1] == "bypass"
    assert (await cached.ask(["a"]))[1] == "miss"
    assert (await cached.ask(["a"], NO_STORE))[1] == "bypass"
    assert cached.computer.ran == ["a"] * 3


async def test_no_cache_runs_and_keeps_the_new_answer(cached: Any) -> None:
    await cached.ask(["a"])
    cached.now += 100
    assert (await cached.ask(["a"], CacheControl(may_answer=False)))[1] == "miss"
    call = cached.call(["a"])
    await cached.pipeline.run(call)
    assert call.headers["age"] == "0"


async def test_an_answer_older_than_the_caller_takes_is_computed(cached: Any) -> None:
    await cached.ask(["a"])
    cached.now += 10
    assert (await cached.ask(["a"], CacheControl(max_age_seconds=10)))[1] == "hit"
    assert (await cached.ask(["a"], CacheControl(max_age_seconds=9)))[1] == "miss"


async def test_an_answer_goes_after_its_time(make_cached: Any) -> None:
    cached = make_cached(ttl_seconds=60)
    await cached.ask(["a"])
    cached.now += 59
    assert (await cached.ask(["a"]))[1] == "hit"
    cached.now += 1.5
    assert (await cached.ask(["a"]))[1] == "miss"


async def test_a_failure_is_not_kept(cached: Any) -> None:
    cached.computer.error = InternalError("the worker failed")
    with pytest.raises(InternalError):
        await cached.ask(["a"])
    assert (await cached.ask(["a"]))[1] == "miss"


@pytest.mark.parametrize(("shared", "status"), [(False, "miss"), (True, "hit")])
async def test_callers_share_answers_only_where_the_settings_say_so(
    make_cached: Any, shared: bool, status: str
) -> None:
    cached = make_cached(share_between_keys=shared)
    try:
        set_principal(Principal("ada", "key-1"))
        await cached.ask(["a"])
        for other in (Principal("eve", "key-2"), Principal("ada", "key-3"), Principal("ada"), ANONYMOUS):
            set_principal(other)
            assert (await cached.ask(["a"]))[1] == status
        set_principal(Principal("ada", "key-1"))
        assert (await cached.ask(["a"]))[1] == "hit"
    finally:
        set_principal(ANONYMOUS)


@pytest.mark.parametrize(
    ("given", "told", "status"),
    [
        (GREEDY, b"", "hit"),
        (generating(seed=7, temperature=1.0), b"", "hit"),
        (generating(temperature=0.7), b"", "bypass"),
        (generating(), b"", "bypass"),
        (generating(), b'{"temperature": 0.0}', "hit"),
        (generating(), b'{"temperature": 0.6}', "bypass"),
    ],
)
async def test_generated_answers_are_kept_where_no_chance_is_in_them(
    cached: Any, given: GenerateInput, told: bytes, status: str
) -> None:
    cached.computer.facts = facts(told)
    await cached.ask(given)
    assert (await cached.ask(given))[1] == status


@pytest.mark.parametrize(
    ("named", "status"),
    [((), "bypass"), (("acme/tiny",), "hit"), (("acme/*",), "hit"), (("*",), "hit"), (("other/*",), "bypass")],
)
async def test_answers_to_tensors_are_kept_of_the_models_that_are_named(
    make_cached: Any, named: tuple[str, ...], status: str
) -> None:
    cached = make_cached(tensor_models=named)
    await cached.ask(TENSOR)
    assert (await cached.ask(TENSOR))[1] == status


@pytest.mark.parametrize(("kept", "status"), [(False, "bypass"), (True, "hit")])
async def test_answers_of_servers_elsewhere_are_kept_where_the_settings_say_so(
    make_cached: Any, kept: bool, status: str
) -> None:
    cached = make_cached(remote_models=kept)
    cached.computer.computation = cached.computer.computation._replace(backend="remote")
    await cached.ask(["a"])
    assert (await cached.ask(["a"]))[1] == status


async def test_a_large_answer_is_given_and_not_kept(make_cached: Any) -> None:
    cached = make_cached(max_entry_bytes=64)
    answer, _ = await cached.ask(GREEDY)
    assert answer.deltas[0].text == "once 0"
    assert (await cached.ask(GREEDY))[1] == "miss"


async def test_hits_and_misses_are_counted_item_by_item(cached: Any) -> None:
    await cached.ask(["a", "b"])
    await cached.ask(["b", "c", "b"])
    assert (cached.counted("response_cache_hits"), cached.counted("response_cache_misses")) == (1, 3)
