"""Workers that die, hang, fall silent or cannot be started, in rigs of one model."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs
from waiting import until

from panope_backends.errors import (
    AvailabilityError,
    InstanceLostError,
    PreconditionError,
)
from panope_backends.testing.python_models import executing
from panope_server.runtime.instances.instance import Instance
from panope_server.runtime.models.circuit_breaker import PAUSES
from panope_server.runtime.placement.constraints import UNCONSTRAINED, LoadConstraints
from panope_server.runtime.status import InstanceState, ModelState
from panope_server.tasks.tensors import NamedTensor, TensorInput

#: Before the model's own pre-tokenizer: expressions that backtrack, so that 30 times `a` takes a minute.
THORNY = [
    {"type": "Split", "pattern": {"Regex": "(a|aa)+x"}, "behavior": "Isolated", "invert": False},
] * 200

LOADING, SERVING, FAILED = ModelState.LOADING, ModelState.SERVING, ModelState.FAILED


async def test_a_killed_worker_fails_its_calls_at_once_and_comes_back_by_itself(rig, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    made = rig("SlowBackend", config={"slow_until": str(gate)})
    gate.touch()
    await made.embed("warm")
    gate.unlink()
    call = asyncio.create_task(made.embed("in flight"))
    await until(lambda: made.runtime.pool.instances[0].in_flight_items == 1)
    (pid,) = made.pids()
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(1):
        with pytest.raises(InstanceLostError) as caught:
            await call
    assert caught.value.retry_after_seconds
    assert made.runtime.state is LOADING
    gate.touch()
    assert (await made.embed("again")).count == 1  # waited for the new worker
    assert made.states == [LOADING, SERVING, LOADING, SERVING]
    (view,) = made.runtime.instance_views()
    assert (view.state, view.restart_count, view.pid != pid) == (InstanceState.READY, 1, True)


async def test_a_worker_that_was_killed_is_told_as_killed(rig) -> None:
    made = rig()
    with capture_logs() as lines:
        for _ in range(2):
            await made.embed("warm")
            os.kill(made.pids()[0], signal.SIGKILL)
            await until(lambda: made.runtime.state is LOADING)
        await made.embed("again")
    assert [line["exit_code"] for line in lines if line["event"] == "instance_lost"] == [-9, -9]


async def test_calls_that_wait_survive_the_death_of_the_worker(rig, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    made = rig("SlowBackend", config={"slow_until": str(gate)}, max_in_flight_items=1)
    await made.embed("warm")
    gate.unlink()
    lost, waiting = (asyncio.create_task(made.embed(text)) for text in ("first", "second"))
    await until(lambda: made.runtime.pool.instances[0].in_flight_items == 1)
    os.kill(made.pids()[0], signal.SIGKILL)
    gate.touch()
    with pytest.raises(InstanceLostError):
        await lost
    assert (await waiting).count == 1


async def test_a_worker_that_dies_again_and_again_is_given_up(rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panope_server.runtime.instances.instance_supervisor.FIRST_BACKOFF_SECONDS", 0.001)
    made = rig("CrashBackend")
    await made.embed("fine")
    for number in range(5):
        with pytest.raises(InstanceLostError):
            await made.embed(f"crash {number}")
        await until(lambda: made.runtime.state in (SERVING, FAILED))
    assert made.runtime.state is FAILED
    with pytest.raises(AvailabilityError, match="again and again") as caught:
        await made.embed("fine")
    assert caught.value.reason == "model_failed"
    await made.runtime.load()  # a person's request starts anew
    assert (await made.embed("fine")).count == 1


async def test_a_worker_that_served_and_is_killed_comes_back_at_once_however_often(
    rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panope_server.runtime.instances.instance_supervisor.SERVED_SECONDS", 1e-6)
    monkeypatch.setattr("panope_server.runtime.instances.instance_supervisor.FIRST_BACKOFF_SECONDS", 1000.0)
    monkeypatch.setattr("panope_server.runtime.instances.instance_supervisor.CRASH_LIMIT", 1)
    monkeypatch.setattr(Instance, "served_seconds", property(lambda instance: 1e3 * bool(instance._last_answer)))
    made = rig()
    for number in range(2):
        await made.embed(f"served {number}")
        os.kill(made.pids()[0], signal.SIGKILL)
        await until(lambda: made.runtime.state is LOADING)
    await made.embed("again")
    assert FAILED not in made.states
    os.kill(made.pids()[0], signal.SIGKILL)
    await until(lambda: made.runtime.state is LOADING)
    await until(lambda: made.runtime.state is SERVING)
    os.kill(made.pids()[0], signal.SIGKILL)  # which had not served
    await until(lambda: made.runtime.state is FAILED)


async def test_after_a_crash_loop_a_model_comes_back_as_it_was_asked_for(rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panope_server.runtime.instances.instance_supervisor.FIRST_BACKOFF_SECONDS", 0.001)
    monkeypatch.setattr("panope_server.runtime.instances.instance_supervisor.CRASH_LIMIT", 1)
    monkeypatch.setattr("panope_server.runtime.models.circuit_breaker.PAUSES", replace(PAUSES, base_seconds=0.001))
    made = rig("CrashBackend")
    asked = LoadConstraints(precision="fp32")
    await made.runtime.load(asked)
    with pytest.raises(InstanceLostError):
        await made.embed("crash")
    await until(lambda: made.states[-3:] == [FAILED, LOADING, SERVING])  # without any call
    assert (await made.embed("fine")).count == 1
    assert made.plans == [asked, asked]
    await made.runtime.unload()
    assert (await made.embed("fine")).count == 1
    assert made.plans == [asked, asked, UNCONSTRAINED]


async def test_a_worker_that_hangs_is_killed_and_replaced(rig) -> None:
    made = rig("HangBackend", hang_timeout_seconds=1.0)
    await made.embed("fine")
    with pytest.raises(InstanceLostError):
        await made.embed("hang")
    assert (await made.embed("fine")).count == 1


@pytest.mark.parametrize(
    ("hang", "limit"),
    {
        "runs on": ("while True: pass", {"hang_timeout_seconds": 1.0}),
        "waits": ("threading.Event().wait()", {"hang_timeout_seconds": 1.0}),
        # Whose heartbeat has no turn.
        "keeps the interpreter": ("re.match('(a|aa)+x', 'a' * 99)", {"heartbeat_timeout_seconds": 2.0}),
    }.values(),
)
async def test_a_models_own_code_that_does_not_return_is_ended_and_loaded_again(
    rig, hang: str, limit: dict[str, float]
) -> None:
    total = "pb_utils.Tensor('sum', np.zeros((1, 1)))"
    body = f"""
        if x[0, 0]:
            {hang}
        return [pb_utils.InferenceResponse([pb_utils.Tensor('doubled', x), {total}])]"""
    made = rig(task="", tokenizer=None, code=executing(body.strip(), before="import re, threading"), **limit)
    fine, hanging = (
        TensorInput([NamedTensor("x", "float32", (1, 1), np.full((1, 1), number, "<f4").tobytes())])
        for number in range(2)
    )
    await made.run(fine)
    with pytest.raises(InstanceLostError):
        await made.run(hanging)
    await made.run(fine)
    assert made.runtime.instance_views()[0].restart_count == 1


@pytest.mark.slow
async def test_a_worker_that_hangs_while_it_makes_tokens_is_killed_and_replaced(rig) -> None:
    made = rig(hang_timeout_seconds=1.0, tokenizer=THORNY)
    await made.embed("fine")
    with pytest.raises(InstanceLostError):
        await made.embed("a" * 30)
    assert (await made.embed("fine")).count == 1
    assert made.runtime.instance_views()[0].restart_count == 1


async def test_a_worker_that_is_stopped_is_silent_and_so_replaced(rig) -> None:
    made = rig(heartbeat_timeout_seconds=2.0)
    await made.embed("warm")
    (pid,) = made.pids()
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(InstanceLostError):
        await made.embed("in flight")
    assert (await made.embed("again")).count == 1
    assert made.pids() != [pid]
    assert made.states == [LOADING, SERVING, LOADING, SERVING]


async def test_a_request_that_ended_two_workers_is_refused_and_the_model_goes_on(rig) -> None:
    made = rig("CrashBackend")
    await made.embed("fine")
    for _ in range(2):
        with pytest.raises(InstanceLostError):
            await made.embed("crash")
    with pytest.raises(PreconditionError, match=r"ended a worker of model `acme/echo` 2 times") as caught:
        await made.embed("crash")
    assert caught.value.reason == "request_quarantined"
    assert (await made.embed("fine")).count == 1
    assert made.runtime.instance_views()[0].restart_count == 2


@pytest.mark.slow
async def test_a_request_whose_caller_has_gone_is_remembered_when_the_worker_hangs_in_it(rig) -> None:
    made = rig("HangBackend", hang_timeout_seconds=2.5)
    await made.embed("fine")
    for restarts in range(1, 3):
        call = asyncio.create_task(made.embed("hang"))
        await until(
            lambda: made.runtime.pool.instances and made.runtime.pool.instances[0]._suspects.busy_ids
        )  # a heartbeat told
        call.cancel()
        await until(lambda restarts=restarts: made.runtime.instance_views()[0].restart_count == restarts)
    with pytest.raises(PreconditionError, match="2 times"):
        await made.embed("hang")
    assert (await made.embed("fine")).count == 1


async def test_a_worker_comes_back_when_the_machine_can_start_processes_again(
    rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panope_server.runtime.instances.instance_supervisor.FIRST_BACKOFF_SECONDS", 0.001)
    made = rig()
    await made.embed("fine")
    refused, spawn = 0, asyncio.create_subprocess_exec

    async def short_of_descriptors(*command: Any, **options: Any) -> asyncio.subprocess.Process:
        nonlocal refused
        refused += 1
        if refused <= 7:  # more often than a model may crash
            raise OSError(errno.EMFILE, "Too many open files")
        return await spawn(*command, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", short_of_descriptors)
    os.kill(made.pids()[0], signal.SIGKILL)
    await until(lambda: made.runtime.state is LOADING)
    assert (await made.embed("fine")).count == 1
    assert refused == 8
