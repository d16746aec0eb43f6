"""One place for an instance that is kept filled, alone and beside the others of its group."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from instance_doubles import PLAN, Clock, FakeInstance, Starts, bench

from panope_backends.errors import InternalError, PanopeError, PreconditionError
from panope_server.config import Workers
from panope_server.runtime.instances import instance_supervisor as module
from panope_server.runtime.instances.instance_supervisor import MAX_BACKOFF_SECONDS, InstanceSupervisor, restart_policy
from panope_server.runtime.instances.model_instance import ModelInstance
from panope_server.runtime.instances.role import Role
from panope_server.runtime.models.groups import instance_group
from panope_server.runtime.models.groups.instance_group import InstanceGroup
from panope_server.runtime.models.groups.placing import find_none
from panope_server.runtime.processes.environment import child_environment
from panope_server.tasks.embed import EmbedInput


@pytest.mark.parametrize(
    ("crashes", "seconds"), [(0, 0.5), (1, 0.5), (2, 1), (3, 2), (5, 8), (50, MAX_BACKOFF_SECONDS)]
)
def test_the_pause_before_a_restart_doubles_up_to_a_minute(crashes: int, seconds: float) -> None:
    assert seconds * 0.8 <= restart_policy().backoff.delay_seconds(crashes) <= seconds * 1.2


async def test_a_worker_has_served_from_when_it_was_ready_to_its_last_good_answer() -> None:
    made = bench()
    made.start_worker()
    (worker,) = made.workers
    worker.instance._ready_since = time.monotonic() - 7.0
    for text in ("refused", "answered"):
        made.call(EmbedInput([text]))
    await made.settle()
    refused, answered = worker.waiting()
    worker.fail(refused, InternalError("no"))
    assert worker.instance.served_seconds == 0
    worker.answer(answered)
    assert 7.0 <= worker.instance.served_seconds < 60.0
    await made.close()


def test_workers_see_no_secret_and_no_hub() -> None:
    seen = child_environment(
        {
            "PATH": "/bin",
            "CUDA_VISIBLE_DEVICES": "0",
            "PANOPE_DATABASE_URL": "postgresql://user:secret@db/x",
            "HF_TOKEN": "hf_secret",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
    )
    assert (seen["PATH"], seen["CUDA_VISIBLE_DEVICES"], seen["HF_HUB_OFFLINE"]) == ("/bin", "0", "1")
    assert "secret" not in str(seen)


@pytest.mark.parametrize(("set_by_operator", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_threads_of_workers_sleep_while_they_wait_unless_the_operator_says_otherwise(
    set_by_operator: dict[str, str], policy: str
) -> None:
    assert child_environment({"PATH": "/bin", **set_by_operator})["OMP_WAIT_POLICY"] == policy


def test_threads_of_workers_are_as_many_as_processors_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 5, 6})
    assert child_environment({})["OMP_NUM_THREADS"] == "3"
    assert child_environment({"OMP_NUM_THREADS": "5"})["OMP_NUM_THREADS"] == "5", "who says a number has it"
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert "OMP_NUM_THREADS" not in child_environment({}), "libraries count right by themselves"


class Owner:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.ready: list[str] = []
        self.errors: list[str] = []
        self.host_gone = self.capacity_freed = lambda: None
        self.answered = self.responsiveness_changed = self.breaker_opened = self.lost = lambda *_: None

    def instance_ready(self, instance: ModelInstance) -> None:
        self.ready.append(instance.name)

    def gave_up(self, error: PanopeError) -> None:
        self.errors.append(error.message)

    def group_gave_up(self, group: InstanceGroup, error: PanopeError) -> None:
        del group
        self.errors.append(error.message)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Starts:
    """What becomes of instances that are started here; their pauses have no jitter."""
    told = Starts()
    monkeypatch.setattr(module, "Instance", partial(FakeInstance, told))
    monkeypatch.setattr(module, "RETRIES", replace(module.RETRIES, jitter=0.0))
    monkeypatch.setattr(module, "CRASH_LIMIT", 1)
    return told


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def supervised(owner: Owner, clock: Clock) -> AsyncIterator[InstanceSupervisor]:
    supervisor = InstanceSupervisor(
        "acme/echo#1",
        PLAN,
        Workers(),
        owner,  # type: ignore[arg-type] # it has what is told
        partial(find_none, 0),
        clock=clock.now,
        sleep=clock.sleep,
    )
    yield supervisor
    await supervisor.stop(1.0)


async def test_a_place_whose_instance_could_not_be_started_is_tried_again_after_10_s_and_pauses_that_double_to_300(
    starts: Starts, clock: Clock
) -> None:
    owner = Owner()
    starts.failures["acme/echo#1"] = [InternalError("no device")] * 7
    async with supervised(owner, clock) as supervisor:
        pauses = []
        for _ in range(7):
            pauses.append(await clock.next_sleep())
            assert supervisor.has_failed
            clock.advance(pauses[-1])
        await starts.until_ready(1)
        assert pauses == [10, 20, 40, 80, 160, 300, 300]
        assert (owner.ready, owner.errors) == (["acme/echo#1"], ["no device"] * 7)
        assert (supervisor.has_failed, supervisor.restart_count) == (False, 7)


async def test_a_place_that_was_given_up_once_and_then_served_for_ten_minutes_begins_its_pauses_anew(
    starts: Starts, clock: Clock
) -> None:
    starts.failures["acme/echo#1"] = [InternalError("no device")] * 2
    async with supervised(Owner(), clock):
        for seconds in (10.0, 20.0):
            assert await clock.next_sleep() == seconds
            clock.advance(seconds)
        for served, seconds in ((599.0, 40.0), (601.0, 10.0)):
            (instance,) = await starts.until_ready(1)
            clock.advance(served)
            instance.end()
            assert await clock.next_sleep() == seconds
            clock.advance(seconds)
        await starts.until_ready(1)


async def test_a_place_that_is_stopped_in_its_pause_is_tried_no_more(starts: Starts, clock: Clock) -> None:
    starts.failures["acme/echo#1"] = [InternalError("no device")]
    async with supervised(Owner(), clock) as supervisor:
        await clock.next_sleep()
        await supervisor.stop(1.0)
        clock.advance(1000.0)
        await asyncio.sleep(0)
    assert starts.count == 1


async def test_a_place_that_is_stopped_while_it_is_tried_again_leaves_no_instance(starts: Starts, clock: Clock) -> None:
    starts.failures["acme/echo#1"] = [InternalError("no device")]
    async with supervised(Owner(), clock) as supervisor:
        await clock.next_sleep()
        starts.hold = True
        clock.advance(10.0)
        await starts.until_begun(2)
        await supervisor.stop(1.0)
    assert starts.killed == ["acme/echo#1"]


@pytest.fixture
def group(starts: Starts, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[InstanceGroup, Owner]]:
    """Makes a group of fake instances, on the test's clock."""
    del starts
    timed: Any = partial(InstanceSupervisor, clock=clock.now, sleep=clock.sleep)
    monkeypatch.setattr(instance_group, "InstanceSupervisor", timed)

    def make(count: int, **workers: int) -> tuple[InstanceGroup, Owner]:
        owner = Owner()
        names = [f"#{place + 1}" for place in range(count)]
        made = InstanceGroup(PLAN, names, Workers(**workers), owner, find_none)  # type: ignore[arg-type] # Owner has what is told
        return made, owner

    return make


async def test_a_group_serves_with_the_instances_it_has_and_has_the_others_in_time(
    group: Callable[..., tuple[InstanceGroup, Owner]], starts: Starts, clock: Clock
) -> None:
    starts.failures["#1"] = [InternalError("no memory")]
    made, owner = group(2)
    await made.ready()
    assert (owner.ready, owner.errors, made.is_serving) == (["#2"], [], True)
    clock.advance(await clock.next_sleep())
    await starts.until_ready(2)
    assert owner.ready == ["#2", "#1"]
    await made.stop(1.0)


async def test_an_instance_for_high_priority_alone_makes_no_group_that_serves(
    group: Callable[..., tuple[InstanceGroup, Owner]], starts: Starts
) -> None:
    starts.failures["#1"] = [PreconditionError("the device is broken")]
    made, owner = group(2, high_priority_instances=1)
    with pytest.raises(PreconditionError, match="the device is broken"):
        await made.ready()
    assert (owner.ready, made.is_serving) == (["#2"], False)
    await made.stop(1.0)


async def test_a_group_gives_up_once_none_of_its_instances_for_normal_calls_is_left(
    group: Callable[..., tuple[InstanceGroup, Owner]], starts: Starts
) -> None:
    made, owner = group(3, high_priority_instances=1)
    first, second, kept = await starts.until_ready(3)
    assert [each.role for each in (first, second, kept)] == [Role.BACKGROUND, Role.BACKGROUND, Role.HIGH_PRIORITY]
    kept.end()
    first.end()
    await starts.settle()
    assert (owner.errors, made.is_serving) == ([], True)
    second.end()
    await starts.settle()
    (told,) = owner.errors
    assert "again and again" in told
    assert not made.is_serving
    await made.stop(1.0)
