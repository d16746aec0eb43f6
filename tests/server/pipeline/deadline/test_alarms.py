"""Alarms: which tasks they cancel, and what is left of those that were stopped."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_server.pipeline.deadline import alarms as module
from panope_server.pipeline.deadline.alarms import MOST_STOPPED, Alarms

LONG = 3600.0


class Clock:
    """In the place of the module `time`."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


async def hang(alarms: Alarms, missing_seconds: Callable[[], float], rung: list[str], name: str) -> None:
    """Waits until its alarm rings, and says so."""
    alarm = alarms.set(missing_seconds)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if not alarm.is_the_only_reason():
            raise
        rung.append(name)
    finally:
        alarm.stop()


@given(st.lists(st.tuples(st.integers(1, 20), st.booleans()), max_size=40), st.integers(0, 21))
async def test_what_has_not_ended_when_its_time_has_come_is_cancelled(
    given: list[tuple[int, bool]], moment: int
) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "time", clock)
        alarms, rung = Alarms(), list[str]()
        tasks = [
            asyncio.ensure_future(hang(alarms, lambda at=seconds: at - clock.now, rung, str(seconds)))  # type: ignore[misc]  # a default binds it
            for seconds, _ in given
        ]
        await asyncio.sleep(0)
        for task, (_, ends_before) in zip(tasks, given, strict=True):
            if ends_before:
                task.cancel()
        await asyncio.sleep(0)
        clock.now = float(moment)
        alarms.ring()
        await asyncio.sleep(0)
        assert sorted(rung) == sorted(str(seconds) for seconds, ended in given if not ended and seconds <= moment)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_timer_is_set_for_what_rings_first() -> None:
    alarms, rung = Alarms(), list[str]()
    late = asyncio.create_task(hang(alarms, lambda: LONG, rung, "late"))
    await asyncio.sleep(0)
    await hang(alarms, lambda: 0.0, rung, "soon")
    await hang(alarms, lambda: 0.0, rung, "after it")
    late.cancel()
    assert rung == ["soon", "after it"]


async def test_what_has_time_left_by_then_is_asked_again() -> None:
    left = iter([0.0, 0.001, 0.001, 0.0])
    rung: list[str] = []
    await hang(Alarms(), lambda: next(left), rung, "at last")
    assert rung == ["at last"]
    assert not list(left)


async def test_stopped_alarms_are_few_and_hold_no_task() -> None:
    alarms = Alarms()

    async def work() -> None:
        alarms.set(lambda: LONG).stop()

    gc.disable()  # nothing but the alarm could hold a task
    try:
        task = asyncio.create_task(work())
        await task
        held = weakref.ref(task)
        del task
        await asyncio.sleep(0)  # whereby the loop lets go of it
        assert held() is None
    finally:
        gc.enable()
    for _ in range(10 * MOST_STOPPED):
        await work()
    assert len(alarms) <= 2 * MOST_STOPPED
