"""Worker processes for calls of high priority, and those that make way for them."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from itertools import groupby

import psutil
import pytest
from manager_doubles import MODEL, MakeRig

from panope_server.runtime.call_context import CallContext
from panope_server.runtime.models.circuit_breaker import PAUSES
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.placement import Placement
from panope_server.runtime.status import ModelState
from panope_server.tasks.catalog import requests_of
from panope_server.tasks.embed import EmbedInput


async def test_a_model_has_a_worker_more_for_high_priority_to_which_the_others_give_way(managers: MakeRig) -> None:
    made = managers(high_priority_instances=1)
    made.add_model()
    await made.manager.start()
    await made.manager.load(MODEL)
    await made.until(lambda: len(made.pids(MODEL)) == 2)
    others, kept = made.pids(MODEL)
    assert os.getpriority(os.PRIO_PROCESS, kept) == os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, others) == 19
    if hasattr(os, "sched_getscheduler"):
        assert [os.sched_getscheduler(pid) for pid in (kept, others)] == [os.sched_getscheduler(0), os.SCHED_IDLE]

    async def ran_on(priority: int) -> str:
        async def put(_: bytes) -> None:
            pass

        model, placement = await made.manager.call_directory.resolve(MODEL), Placement()
        context = CallContext("r1", priority=priority)
        await made.manager.dispatcher.run(model, requests_of(EmbedInput(texts=["hello"])), context, placement, put)
        return placement.instance

    assert [await ran_on(priority) for priority in (1, 0, -1)] == [f"{MODEL}#2", f"{MODEL}#1", f"{MODEL}#1"]
    await made.manager.load(MODEL, LoadConstraints(instances=1))
    assert made.pids(MODEL) == [others, kept], "it has the one that is asked for, and the other beside"


async def test_a_model_whose_worker_for_high_priority_alone_is_left_serves_no_more_and_comes_back_whole(
    managers: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panope_server.runtime.instances.instance_supervisor.CRASH_LIMIT", 1)
    monkeypatch.setattr("panope_server.runtime.models.circuit_breaker.PAUSES", replace(PAUSES, base_seconds=0.001))
    made = managers(high_priority_instances=1)
    made.add_model()
    await made.manager.start()
    await made.manager.load(MODEL)
    await made.until(lambda: len(made.pids(MODEL)) == 2)
    before = made.pids(MODEL)
    made.states.clear()
    os.kill(before[0], signal.SIGKILL)
    await made.until(lambda: (MODEL, ModelState.FAILED) in made.states)
    await made.until(lambda: made.serving() == {MODEL} and len(made.pids(MODEL)) == 2)
    changes = [state for state, _ in groupby(state for _, state in made.states)]
    assert changes == [ModelState.LOADING, ModelState.FAILED, ModelState.LOADING, ModelState.SERVING]
    assert not set(before) & set(made.pids(MODEL))
    assert not any(psutil.pid_exists(pid) for pid in before)
    assert await made.embed(MODEL) == MODEL


async def test_a_worker_that_dies_is_started_again_beside_that_for_high_priority(
    managers: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panope_server.runtime.instances.instance_supervisor.FIRST_BACKOFF_SECONDS", 0.001)
    made = managers(high_priority_instances=1)
    made.add_model()
    await made.manager.start()
    await made.manager.load(MODEL)
    await made.until(lambda: len(made.pids(MODEL)) == 2)
    normal, kept = made.pids(MODEL)
    os.kill(normal, signal.SIGKILL)
    await made.until(lambda: not made.serving())
    assert await made.embed(MODEL) == MODEL, "it waits for the next one"
    assert made.pids(MODEL)[1] == kept
    views = made.manager.runtimes.all()[0].instance_views()
    assert [(view.role, view.restart_count) for view in views] == [("background", 1), ("high_priority", 0)]
