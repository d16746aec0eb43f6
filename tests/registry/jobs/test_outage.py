"""The database goes away while jobs run, and comes back: the runner goes on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from panope_backends.errors import AvailabilityError
from panope_registry.jobs import JobContext, Jobs, JobStatus, Runner
from panope_registry.tables.database import Database, open_engine

WAIT_SECONDS = 60


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("seconds", [0.0, pytest.param(10.0, marks=pytest.mark.slow)])
def test_the_runner_goes_on_when_the_database_is_back(
    cable: tuple[Any, str], seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "panope_registry.jobs.runner")
    line, url = cable
    began, go_on = threading.Event(), threading.Event()

    def work(_context: JobContext) -> Mapping[str, Any]:
        began.set()
        assert go_on.wait(WAIT_SECONDS)
        return {"ran": True}

    database = Database(open_engine(url))
    jobs = Jobs(database)
    first = jobs.enqueue("work", {})
    second = jobs.enqueue("work", {})
    stop = threading.Event()
    runner = Runner(jobs, {"work": work}, owner="a", concurrency=1, tick_seconds=0.05, lease_seconds=3.0)
    thread = threading.Thread(target=runner.run, args=(stop,))
    thread.start()
    try:
        assert began.wait(WAIT_SECONDS)
        line.pull()
        with pytest.raises(AvailabilityError, match="does not answer"):
            jobs.get(first.id)
        end = time.monotonic() + seconds
        _wait(lambda: _warnings(caplog) >= 2 and time.monotonic() >= end)
        go_on.set()  # it ends, and cannot tell
        told = _warnings(caplog)
        _wait(lambda: _warnings(caplog) >= told + 3)
        line.plug_in()
        _wait(lambda: all(jobs.get(entry.id).status.is_final for entry in (first, second)))
    finally:
        go_on.set()
        stop.set()
        thread.join(WAIT_SECONDS)
    for entry in (jobs.get(first.id), jobs.get(second.id)):
        assert (entry.status, entry.result, entry.attempt) == (JobStatus.SUCCEEDED, {"ran": True}, 1)
    database.close()


def _warnings(caplog: pytest.LogCaptureFixture) -> int:
    return sum(record.levelno == logging.WARNING for record in caplog.records)


def _wait(condition: Any) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen within a minute"
        time.sleep(0.01)
