"""A model's life on real worker processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from waiting import until

from panope_backends.errors import (
    AvailabilityError,
    InvalidInputError,
    OverloadedError,
    PreconditionError,
)
from panope_backends.isolation.memory_limit import OOM_SCORE
from panope_backends.texts import CHARACTERS_PER_TOKEN
from panope_server.config import Limits
from panope_server.runtime.placement.constraints import UNCONSTRAINED, LoadConstraints
from panope_server.runtime.status import InstanceState, ModelState
from panope_server.tasks.embed import EmbedInput, EmbedSpec
from panope_server.tasks.tokenize import TokenizeInput

LOADING, SERVING, FAILED = ModelState.LOADING, ModelState.SERVING, ModelState.FAILED


async def test_the_first_call_loads_the_model_and_later_ones_find_it_loaded(rig) -> None:
    made = rig()
    first, second = await asyncio.gather(made.embed("hello"), made.embed("hello"))
    third = await made.embed("hello")
    assert first.vectors == second.vectors == third.vectors
    assert made.plans == [UNCONSTRAINED]
    assert made.states == [LOADING, SERVING]


async def test_answers_belong_to_their_callers(rig) -> None:
    made = rig()
    texts = [f"text number {n}" for n in range(64)]
    alone = [(await made.embed(text)).vectors for text in texts]
    together = await asyncio.gather(*(made.embed(text) for text in texts))
    assert [answer.vectors for answer in together] == alone
    assert len({bytes(vector) for vector in alone}) > 32


async def test_texts_too_long_for_any_tokens_are_refused_without_the_worker(
    rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = rig()
    await made.embed("warm")
    assert isinstance(made.runtime.facts, EmbedSpec)
    text = "x" * (made.runtime.facts.max_tokens * CHARACTERS_PER_TOKEN + 1)
    monkeypatch.setattr(made.runtime.pool, "_entries", None)  # nothing is made ready for a worker
    for task_input in (EmbedInput(texts=["a", text]), TokenizeInput(texts=["a", text])):
        with pytest.raises(InvalidInputError, match=r"`texts\[1\]` has [0-9,]+ characters") as refusal:
            await made.run(task_input)
        assert refusal.value.field == "texts[1]"
    with pytest.raises(InvalidInputError, match=r"one call tells the tokens of 1,048,576"):
        await made.run(TokenizeInput(texts=["word " * 20] * 11_000))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such limits")
async def test_a_worker_may_allocate_what_its_plan_says_and_goes_before_the_server(rig) -> None:
    made = rig(memory_limit_bytes=3 << 30)
    await made.embed("hello")
    (pid,) = made.pids()
    assert psutil.Process(pid).rlimit(psutil.RLIMIT_DATA) == (3 << 30, 3 << 30)
    score = await asyncio.to_thread(Path(f"/proc/{pid}/oom_score_adj").read_text)
    assert int(score) == OOM_SCORE


async def test_unloading_ends_the_worker_after_its_work(rig, tmp_path: Path) -> None:
    made = rig("SlowBackend", config={"slow_seconds": 0.3})
    await made.embed("warm")
    (pid,) = made.pids()
    call = asyncio.create_task(made.embed("last"))
    await until(lambda: made.runtime.pool.instances[0].in_flight_items == 1)
    await made.runtime.unload()
    assert (await call).count == 1
    assert made.runtime.state is ModelState.UNLOADED
    assert not psutil.pid_exists(pid)


async def test_unloading_while_loading_stops_the_load(rig) -> None:
    made = rig()
    load = asyncio.create_task(made.runtime.load())
    await until(lambda: bool(made.pids()) and made.pids()[0] > 0)
    (pid,) = made.pids()
    await made.runtime.unload()
    with pytest.raises(AvailabilityError, match="unloaded while it loaded"):
        await load
    await until(lambda: not psutil.pid_exists(pid))
    assert made.runtime.state is ModelState.UNLOADED


@pytest.mark.parametrize("backend", ["FragileBackend", "NoSuchBackend"])
async def test_a_way_whose_worker_cannot_load_the_model_gives_place_to_the_next(rig, backend: str) -> None:
    made = rig(backend, then="EchoBackend")
    assert (await made.embed("one")).count == 1
    assert [len(made.plans), len(made.failed)] == [2, 1]
    assert {view.backend for view in made.runtime.instance_views()} == {"panope_backends.testing:EchoBackend"}
    assert ModelState.FAILED not in made.states


async def test_a_model_that_no_worker_can_load_fails_as_the_last_way_did(rig) -> None:
    made = rig("NoSuchBackend", then="FragileBackend")
    with pytest.raises(AvailabilityError, match="ended while it loaded"):
        await made.embed("one")
    assert (made.runtime.state, len(made.plans)) == (ModelState.FAILED, 3)


async def test_a_model_that_cannot_be_loaded_says_why_and_is_not_tried_at_every_call(rig) -> None:
    made = rig()
    made.failure = PreconditionError("no device can run this model", reason="no_backend")
    for _ in range(3):
        with pytest.raises(PreconditionError, match="no device can run this model"):
            await made.embed("hello")
    assert len(made.plans) == 1
    made.failure = None
    await made.runtime.load()
    assert (await made.embed("hello")).count == 1


async def test_a_load_that_joins_another_is_refused_when_that_loads_something_else(rig) -> None:
    made = rig()
    first = asyncio.create_task(made.runtime.load())
    await until(lambda: made.runtime.state is LOADING)
    with pytest.raises(PreconditionError, match="as another caller asked"):
        await made.runtime.load(LoadConstraints(backend="cpu"))
    await first


async def test_loading_what_is_loaded_changes_nothing(rig) -> None:
    made = rig()
    await made.runtime.load()
    await made.runtime.load()
    assert len(made.plans) == 1


async def test_a_call_that_is_given_up_frees_its_place_in_the_worker_and_in_the_queue(rig, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    made = rig("SlowBackend", config={"slow_until": str(gate)}, max_in_flight_items=1, limits=Limits(max_queue_items=1))
    await made.embed("warm")
    gate.unlink()
    running, queued = (asyncio.create_task(made.embed(text)) for text in ("running", "queued"))
    await until(lambda: made.runtime.pool.queue.items == 1)
    with pytest.raises(OverloadedError):
        await made.embed("refused")
    queued.cancel()
    running.cancel()
    await asyncio.wait([queued, running])
    assert made.runtime.pool.instances[0].in_flight_items == 0
    gate.touch()
    assert (await made.embed("next")).count == 1


async def test_work_spreads_over_several_instances(rig) -> None:
    made = rig("SlowBackend", config={"slow_seconds": 0.05}, instances=2)
    await made.runtime.load()
    await until(lambda: all(v.state is InstanceState.READY for v in made.runtime.instance_views()))
    await asyncio.gather(*(made.embed(f"text {n}") for n in range(20)))
    assert made.instance_gauges("panope_instance_up") == {"0": 1, "1": 1}
    assert len(set(made.pids())) == 2


@pytest.mark.slow
async def test_loading_again_makes_no_new_series_and_unloading_leaves_none(rig) -> None:
    made = rig()
    for _ in range(3):
        await made.runtime.load()
        await until(lambda: made.instance_gauges("panope_instance_resident_memory_bytes")["0"] > 1 << 20)
        assert made.instance_gauges("panope_instance_up") == {"0": 1}
        await made.runtime.unload()
        assert made.instance_gauges("panope_instance_up") == {}
        assert made.instance_gauges("panope_instance_resident_memory_bytes") == {}


async def test_the_gauges_of_an_instance_fall_when_it_dies(rig) -> None:
    made = rig()
    await made.runtime.load()
    await until(lambda: made.instance_gauges("panope_instance_resident_memory_bytes")["0"] > 1 << 20)
    os.kill(made.pids()[0], signal.SIGKILL)
    await until(lambda: made.runtime.state is LOADING)
    assert made.instance_gauges("panope_instance_up") == {"0": 0}
    assert made.instance_gauges("panope_instance_resident_memory_bytes") == {"0": 0}
    for name in ("panope_in_flight_items", "panope_queued_items"):
        assert made.metrics.registry.get_sample_value(name, {"model": "acme/echo"}) == 0


async def test_how_a_worker_ended_is_told_as_it_was(rig, capsys: pytest.CaptureFixture[str]) -> None:
    made = rig()
    await made.runtime.load()
    os.kill(made.pids()[0], signal.SIGKILL)
    await until(lambda: "killed by signal 9" in capsys.readouterr().out)
    await until(lambda: made.runtime.state is SERVING)
    os.kill(made.pids()[0], signal.SIGSEGV)
    await until(lambda: "killed by signal 11" in capsys.readouterr().out)


async def test_what_the_worker_said_of_the_model_is_known(rig) -> None:
    made = rig()
    await made.runtime.load()
    assert isinstance(made.runtime.facts, EmbedSpec)
    assert made.runtime.facts.dimensions == 8
    assert {spec.name for spec in made.runtime.inputs} == {"input_ids", "attention_mask"}


async def test_vectors_are_the_models_own(rig) -> None:
    made = rig()
    answer = await made.embed("hello")
    vector = np.frombuffer(answer.vectors, "<f4")
    ids = np.array([101, 7592, 102], np.float32)
    expected = np.sin(ids[:, None] * np.arange(1, 9, dtype=np.float32)).mean(axis=0)
    assert np.allclose(vector, expected, atol=1e-5) or np.allclose(
        vector, expected / np.linalg.norm(expected), atol=1e-5
    )
    assert answer.token_counts == [3]
