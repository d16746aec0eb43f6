"""Runners hear at once of what other processes ask for, and do without it when nothing is heard."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from panope_registry.jobs import Interrupted, JobContext, JobProgress, Jobs, JobStatus, Runner, notifications
from panope_registry.jobs.claims import Claims
from panope_registry.jobs.wakeup import Wakeup
from panope_registry.tables.database import Database, open_engine

WAIT_SECONDS = 30
LONG = 3600.0
"""A tick that never comes: what happens is heard."""


class Work:
    """A handler that tells when it begins, and goes on until it may end."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.ended: list[str] = []

    def __call__(self, context: JobContext) -> Mapping[str, Any]:
        self.began.release()
        try:
            while not self.go_on.is_set():
                context.wait(0.01)
        except Interrupted as interruption:
            self.ended.append(type(interruption).__name__)
            raise
        return {}

    def begins(self) -> bool:
        return self.began.acquire(timeout=WAIT_SECONDS)


@pytest.fixture
def elsewhere(database_url: str) -> Iterator[Jobs]:
    """The table as another process has it, whose wakeup nobody here hears."""
    other = Database(open_engine(database_url))
    yield Jobs(other)
    other.close()


@contextmanager
def running(database: Database, work: Work, tick_seconds: float = LONG) -> Iterator[Jobs]:
    """A runner in a thread, which has looked for jobs already."""
    jobs = Jobs(database)
    stop = threading.Event()
    runner = Runner(jobs, {"work": work}, owner="test", tick_seconds=tick_seconds, concurrency=4)
    thread = threading.Thread(target=runner.run, args=(stop,))
    first = jobs.enqueue("work", {})
    thread.start()
    assert work.begins()
    assert first.id
    try:
        yield jobs
    finally:
        stop.set()
        work.go_on.set()
        thread.join(WAIT_SECONDS)
    assert not thread.is_alive()


def test_a_job_that_another_process_asks_for_begins_at_once(database: Database, elsewhere: Jobs) -> None:
    work = Work()
    with running(database, work):
        elsewhere.enqueue("work", {})
        assert work.begins()


def test_a_job_that_another_process_brings_back_begins_at_once(database: Database, elsewhere: Jobs) -> None:
    work = Work()
    old = elsewhere.cancel(elsewhere.enqueue("work", {}).id)
    with running(database, work):
        elsewhere.retry(old.id)
        assert work.begins()


def test_a_job_begins_at_once_when_what_it_needs_has_ended_elsewhere(
    database: Database, elsewhere: Jobs, make_claims: Callable[..., Claims], clock: Any
) -> None:
    work = Work()
    needed = elsewhere.enqueue("other", {})
    elsewhere.enqueue("work", {}, depends_on=[needed.id])
    clock.moment = needed.run_at
    claims = make_claims()
    claim = claims.claim(("other",))
    assert claim is not None
    with running(database, work):
        assert claims.succeed(claim, {}, JobProgress())
        assert work.begins()


def test_a_job_that_another_runner_gives_back_begins_at_once(
    database: Database, elsewhere: Jobs, make_claims: Callable[..., Claims], clock: Any
) -> None:
    work = Work()
    clock.moment = elsewhere.enqueue("work", {}).run_at
    claims = make_claims()
    claim = claims.claim(("work",))
    assert claim is not None
    with running(database, work):
        assert claims.give_back(claim)
        assert work.begins()


def test_a_wish_of_another_process_to_cancel_is_heard_at_once(database: Database, elsewhere: Jobs) -> None:
    work = Work()
    with running(database, work):
        job = elsewhere.enqueue("work", {})
        assert work.begins()
        elsewhere.cancel(job.id)
        _wait(elsewhere, job.id, JobStatus.CANCELLED)
        assert work.ended == ["JobCancelled"]


def test_where_nothing_is_heard_the_runner_looks_by_itself(
    database: Database, elsewhere: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a pooler that lends connections for one transaction."""
    monkeypatch.setattr(notifications, "_listen", lambda _connection, _bell, stop: stop.wait())
    monkeypatch.setattr(notifications, "_watch", lambda _connection, _bell, stop: stop.wait())
    work = Work()
    with running(database, work, tick_seconds=0.05):
        elsewhere.enqueue("work", {})
        assert work.begins()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_listener_whose_connection_was_ended_listens_again(
    database: Database, elsewhere: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "_RECONNECT_SECONDS", 0.01)
    wakeup = Wakeup()
    with notifications.forward_notifications(database, wakeup):
        assert wakeup.wait(0, WAIT_SECONDS), "it rings when it has begun to listen"
        with elsewhere.database.write() as connection:
            ended = connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND starts_with(query, 'LISTEN')"
            ).all()
        assert len(ended) == 1
        assert wakeup.wait(1, WAIT_SECONDS), "what was missed meanwhile is looked for"
        seen = wakeup.count
        elsewhere.enqueue("work", {})
        assert wakeup.wait(seen, WAIT_SECONDS)


def test_the_listener_ends_with_its_block(database: Database) -> None:
    with notifications.forward_notifications(database, Wakeup()):
        pass
    assert not any(thread.name == "job-waking" for thread in threading.enumerate())


def _wait(jobs: Jobs, job_id: int, status: JobStatus) -> None:
    pause = threading.Event()
    for _ in range(WAIT_SECONDS * 100):
        if jobs.get(job_id).status is status:
            return
        pause.wait(0.01)
    pytest.fail(f"job {job_id} is not {status}")
