"""A load that asks for what cannot be had is its caller's matter alone."""

from __future__ import annotations

import asyncio

import pytest
from waiting import until

from panope_backends.errors import AvailabilityError, InstanceLostError, PreconditionError
from panope_server.runtime.placement.constraints import UNCONSTRAINED, LoadConstraints
from panope_server.runtime.status import ModelState

IMPOSSIBLE = LoadConstraints(precision="fp64")
UNLOADED, LOADING, SERVING, FAILED = ModelState.UNLOADED, ModelState.LOADING, ModelState.SERVING, ModelState.FAILED


@pytest.fixture
def made(rig):
    made = rig()
    made.impossible = IMPOSSIBLE
    made.let_go.set()
    return made


async def test_it_is_refused_and_the_model_is_as_it_was(made) -> None:
    for _ in range(2):
        with pytest.raises(PreconditionError, match="no device"):
            await made.runtime.load(IMPOSSIBLE)
        assert made.runtime.state is UNLOADED
        assert not made.runtime.wanted  # so that the server stays ready


async def test_the_next_call_loads_the_model_as_if_nobody_had_asked(made) -> None:
    with pytest.raises(PreconditionError):
        await made.runtime.load(IMPOSSIBLE)
    assert (await made.embed("hello")).count == 1
    assert made.plans == [IMPOSSIBLE, UNCONSTRAINED]


async def test_calls_and_loads_that_wait_meanwhile_get_what_they_asked_for(made) -> None:
    made.let_go.clear()
    refused = asyncio.create_task(made.runtime.load(IMPOSSIBLE))
    await until(lambda: made.runtime.state is LOADING)
    call, load = asyncio.create_task(made.embed("hello")), asyncio.create_task(made.runtime.load())
    await asyncio.sleep(0)  # both wait now
    made.let_go.set()
    with pytest.raises(PreconditionError):
        await refused
    await load
    assert (await call).count == 1
    assert made.states == [LOADING, UNLOADED, LOADING, SERVING]


async def test_a_model_that_had_failed_keeps_its_reason_and_its_time_to_come_back(made) -> None:
    made.failure = AvailabilityError("the disk is away")
    with pytest.raises(AvailabilityError):
        await made.runtime.load()
    with pytest.raises(PreconditionError):
        await made.runtime.load(IMPOSSIBLE)
    assert made.runtime.state is FAILED
    assert made.runtime.state_reason == "the disk is away"
    with pytest.raises(AvailabilityError, match="the disk is away"):
        await made.embed("hello")


async def test_a_worker_that_is_being_started_again_comes_back_all_the_same(rig, monkeypatch) -> None:
    monkeypatch.setattr("panope_server.runtime.instances.instance_supervisor.FIRST_BACKOFF_SECONDS", 0.2)
    made = rig("CrashBackend")
    made.impossible = IMPOSSIBLE
    made.let_go.set()
    await made.runtime.load()
    with pytest.raises(InstanceLostError):
        await made.embed("crash")
    await until(lambda: made.runtime.state is LOADING)
    with pytest.raises(PreconditionError):
        await made.runtime.load(IMPOSSIBLE)
    assert (await made.embed("fine")).count == 1
