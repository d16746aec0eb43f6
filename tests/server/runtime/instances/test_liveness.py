"""Workers that say nothing get no calls long before they are ended."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from instance_doubles import MODEL, Bench, bench

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InstanceLostError
from panope_server.runtime.instances import liveness
from panope_server.runtime.instances.liveness import UNRESPONSIVE_CHECKS, worker_liveness
from panope_server.runtime.instances.worker import process
from panope_server.runtime.status import InstanceState, ModelState
from panope_server.tasks.embed import EmbedInput

HEARTBEAT = wire.WorkerFrame(heartbeat=wire.Heartbeat())


async def go_silent(model: Bench, number: int, checks: int = UNRESPONSIVE_CHECKS) -> None:
    probe = model.workers[number].instance.liveness()
    for _ in range(checks):
        assert not await probe.check()


async def test_a_silence_is_told_once_and_ends_with_a_word_or_with_the_worker() -> None:
    told, heard, closed, silences = [], [0], asyncio.Event(), []
    probe = worker_liveness(
        lambda: heard[0], closed, 30.0, lambda: told.append(heard[0]), lambda: silences.append(heard[0])
    )
    assert (probe.period_seconds, probe.failure_threshold) == (1.0, 30)
    checks = []
    for number in range(3 * UNRESPONSIVE_CHECKS):
        heard[0] += number == 2 * UNRESPONSIVE_CHECKS - 1
        checks.append(await probe.check())
    assert [number for number, spoke in enumerate(checks) if spoke] == [2 * UNRESPONSIVE_CHECKS - 1]
    assert told == [0, 1]
    assert len(silences) == checks.count(False)
    closed.set()
    assert await probe.check()


async def test_a_silent_worker_gets_no_calls_while_another_answers() -> None:
    model = bench()
    model.start_worker()
    model.start_worker()
    await go_silent(model, 0)
    assert model.runtime.state is ModelState.SERVING
    for _ in range(4):
        model.call(EmbedInput(texts=["a"]))
    await model.settle()
    assert [len(worker.waiting()) for worker in model.workers] == [0, 4]
    await model.close()


async def test_a_model_whose_workers_are_all_silent_is_not_ready_and_its_calls_wait_for_a_word() -> None:
    model = bench()
    model.start_worker()
    await go_silent(model, 0, UNRESPONSIVE_CHECKS - 1)
    assert model.runtime.state is ModelState.SERVING
    await go_silent(model, 0)
    (worker,) = model.workers
    assert worker.instance.view(0).state is InstanceState.UNRESPONSIVE
    assert (model.runtime.state, model.runtime.state_reason) == (ModelState.LOADING, "its worker does not answer")
    model.call(EmbedInput(texts=["abc"]))
    await model.settle()
    assert worker.waiting() == []
    await model.runtime.load()  # it is loaded: nothing is started beside it
    worker.tell(HEARTBEAT)
    await model.settle()
    assert worker.instance.view(0).state is InstanceState.READY
    assert (model.runtime.state, model.runtime.state_reason) == (ModelState.SERVING, "")
    worker.answer(worker.waiting()[0])
    assert (await model.calls[0]).count == 1
    await model.close()


async def test_a_silent_worker_that_dies_is_one_that_has_crashed() -> None:
    model = bench()
    model.start_worker()
    await go_silent(model, 0)
    model.workers[0].lose()
    assert model.runtime.state_reason == "its worker ended and is being started again"
    restarts = {"model": MODEL, "reason": "crash"}
    assert model.metrics.registry.get_sample_value("panope_instance_restarts_total", restarts) == 1
    model.start_worker()
    assert model.runtime.state is ModelState.SERVING
    await model.close()


async def test_calls_of_a_worker_that_was_killed_fail_at_its_first_silence_and_not_when_it_can_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = bench()
    model.start_worker()
    (worker,) = model.workers
    # asyncio tells, once, of the end that it has closed.
    monkeypatch.setattr(worker.transport, "close", lambda: None if worker.gone else worker.lose())
    model.call(EmbedInput(texts=["abc"]))
    await model.settle()
    await go_silent(model, 0, checks=1)
    assert not model.calls[0].done()
    monkeypatch.setattr(process, "has_been_killed", lambda _: True)
    await go_silent(model, 0, checks=1)
    with pytest.raises(InstanceLostError):
        await model.calls[0]
    assert model.runtime.state_reason == "its worker ended and is being started again"
    await model.close()


async def test_one_that_drains_and_is_silent_stays_as_it_is() -> None:
    model = bench()
    model.start_worker()
    instance = model.workers[0].instance
    instance.state = InstanceState.DRAINING
    await go_silent(model, 0)
    model.workers[0].tell(HEARTBEAT)
    assert instance.view(0).state is InstanceState.DRAINING


async def test_a_stopped_process_is_unresponsive_and_can_go_on_or_be_unloaded(
    rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "UNRESPONSIVE_CHECKS", 2)
    made = rig(drain_timeout_seconds=0.2)
    await made.embed("warm")
    (pid,) = made.pids()

    async def until_state(state: InstanceState) -> None:
        async with asyncio.timeout(60):
            while made.runtime.instance_views()[0].state is not state:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)

    os.kill(pid, signal.SIGSTOP)
    await until_state(InstanceState.UNRESPONSIVE)
    assert made.runtime.state is ModelState.LOADING
    os.kill(pid, signal.SIGCONT)
    await until_state(InstanceState.READY)
    assert (await made.embed("again")).count == 1
    os.kill(pid, signal.SIGSTOP)
    await until_state(InstanceState.UNRESPONSIVE)
    async with asyncio.timeout(30):
        await made.runtime.unload()
    assert made.pids() == []
