"""Processors are as busy as those are that this process may use, and as its control group's quota is used up."""

from __future__ import annotations

import os
from types import SimpleNamespace

import psutil
import pytest

from panope_backends.host.processors import Quota
from panope_server.runtime.hardware.usage import processor_time
from panope_server.runtime.hardware.usage.processor_time import ProcessorTime


@pytest.fixture
def at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four processors that worked for 10, 20, 30 and 40 seconds, a quarter of it for guests."""
    each = [_times(user=busy, guest=busy / 4, idle=900, iowait=5) for busy in (10, 20, 30, 40)]
    monkeypatch.setattr(psutil, "cpu_count", lambda: len(each))
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu=False: each if percpu else _times(user=100, guest=25))
    monkeypatch.setattr(processor_time, "processor_quota", lambda _: None)


@pytest.mark.usefixtures("at_work")
@pytest.mark.parametrize(("bound", "busy"), [({0, 1, 2, 3}, 100), ({1, 3}, 60), ({0}, 10), ({1, 7}, 100)])
def test_processors_that_this_process_may_not_use_do_not_count(
    monkeypatch: pytest.MonkeyPatch, bound: set[int], busy: float
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: bound)
    now = ProcessorTime.now()
    assert (now.busy_seconds, now.processors) == (busy, len(bound))


@pytest.mark.usefixtures("at_work")
def test_a_quota_that_is_used_up_is_a_busy_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor_time, "processor_quota", lambda _: Quota(2.0, 50.0))
    now = ProcessorTime.now()
    assert (now.quota, now.quota_seconds) == (2.0, 50.0)
    began = ProcessorTime(now.wall_seconds - 10, now.busy_seconds, now.processors, 2.0, 35.0)
    assert now.taken_since(began) == pytest.approx(15 / 20)
    assert now.taken_since(began, except_seconds=5.0) == pytest.approx(10 / 20)


def test_the_part_is_never_below_none_nor_above_all() -> None:
    began = ProcessorTime(0.0, 0.0, 2)
    assert ProcessorTime(0.0, 5.0, 2).taken_since(began) == 0.0
    assert ProcessorTime(1.0, 5.0, 2).taken_since(began) == 1.0
    assert ProcessorTime(1.0, 1.0, 2).taken_since(began, except_seconds=3.0) == 0.0


def _times(**seconds: float) -> SimpleNamespace:
    names = ("user", "idle", "iowait", "guest")
    fields = {name: float(seconds.get(name, 0)) for name in names}
    return type("Times", (tuple,), fields)(fields.values())  # type: ignore[return-value]  # as psutil's
