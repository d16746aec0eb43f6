"""Any sequence of calls: jobs are where a model of a few lines says that they are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete

from panope_backends.errors import AlreadyExistsError, PreconditionError
from panope_registry.jobs import JOB_RETRIES, JobProgress, Jobs
from panope_registry.jobs.claims import Claim, Claims, RenewalResult
from panope_registry.jobs.failure import DEFECT, Failure
from panope_registry.tables.columns import now
from panope_registry.tables.database import Database
from panope_registry.tables.job_tables import job, job_dependency

BUSY = Failure("busy", "try again", retryable=True)
MAX_ATTEMPTS = 2


@dataclass
class Expected:
    """A job as it should be."""

    key: str
    needs: tuple[int, ...]
    parent: int | None
    status: str
    attempt: int = 0
    cancel: bool = False
    due_in: float = 0.0


@dataclass
class Model:
    """The rules, without a database."""

    jobs: dict[int, Expected] = field(default_factory=dict)

    def is_open(self, job_id: int) -> bool:
        return self.jobs[job_id].status in ("waiting", "queued", "running")

    def first_status(self, needs: tuple[int, ...]) -> str | None:
        """None when it may not be: something that it needs has failed."""
        statuses = {self.jobs[need].status for need in needs}
        if statuses & {"failed", "cancelled"}:
            return None
        return "waiting" if statuses - {"succeeded"} else "queued"

    def resolve_dependents(self) -> None:
        for waiting in sorted(self.jobs):  # what a job needs is older than it
            if self.jobs[waiting].status == "waiting":
                self.jobs[waiting].status = self.first_status(self.jobs[waiting].needs) or "failed"

    def attempt_failed(self, job_id: int, wait: float | None) -> None:
        """`wait` is None for an error that time does not mend."""
        mine = self.jobs[job_id]
        again = wait is not None and mine.attempt < MAX_ATTEMPTS
        mine.status = "cancelled" if mine.cancel else "queued" if again else "failed"
        mine.due_in = wait or 0.0
        self.resolve_dependents()

    def family(self, job_id: int) -> list[int]:
        mine = [job_id]
        for each in sorted(self.jobs):
            if self.jobs[each].parent in mine:
                mine.append(each)
        return mine


class Calls(RuleBasedStateMachine):
    """Random calls of users and of one runner that now and then is given up."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.held: dict[int, Claim] = {}
        self.ghosts: list[Claim] = []
        self.passed = timedelta()
        with self.database.write() as connection:
            for table in (job_dependency, job):
                connection.execute(delete(table))
        begin = now()

        def clock(_connection: Any) -> Any:
            return begin + self.passed

        self.table = Jobs(self.database, clock=clock)
        retry_policy = replace(JOB_RETRIES, random=lambda: 1.0)
        self.claims = Claims(self.database, clock, owner="a", lease_seconds=30, retry_policy=retry_policy)

    @initialize()
    def begin(self) -> None:
        """With something to play with: a chain of three, the last with a child."""
        for needs, parent in (((), None), ((0,), None), ((1,), None), ((), 2)):
            ids = sorted(self.model.jobs)
            needed = tuple(ids[each] for each in needs)
            parent_id = None if parent is None else ids[parent]
            entry = self.table.enqueue("k", {}, depends_on=needed, parent_id=parent_id, max_attempts=MAX_ATTEMPTS)
            self.model.jobs[entry.id] = Expected("", needed, parent_id, "waiting" if needed else "queued")

    def pick(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.model.jobs)))

    @rule(key=st.sampled_from(["", "", "x", "y"]), data=st.data())
    def enqueue(self, key: str, data: st.DataObject) -> None:
        known = sorted(self.model.jobs)
        needs = tuple(sorted(data.draw(st.sets(st.sampled_from(known), max_size=2)))) if known else ()
        parent = data.draw(st.sampled_from([None, *known]))
        same = [each for each, it in self.model.jobs.items() if key and it.key == key and self.model.is_open(each)]
        status = self.model.first_status(needs)
        refused = status is None or (parent is not None and self.model.jobs[parent].cancel)
        options: dict[str, Any] = {"depends_on": needs, "parent_id": parent, "max_attempts": MAX_ATTEMPTS}
        try:
            entry = self.table.enqueue("k", {}, dedupe_key=key, **options)
        except PreconditionError:
            assert refused
            assert not same
            return
        if same:
            assert entry.id == same[0]
            return
        assert not refused
        assert status is not None
        self.model.jobs[entry.id] = Expected(key, needs, parent, status)

    @rule()
    def claim(self) -> None:
        due = [each for each, it in self.model.jobs.items() if it.status == "queued" and it.due_in <= 0]
        claim = self.claims.claim(["k"])
        assert (claim.job.id if claim else None) == min(due, default=None)
        if claim is not None:
            mine = self.model.jobs[claim.job.id]
            mine.status, mine.attempt = "running", mine.attempt + 1
            self.held[claim.job.id] = claim

    @precondition(lambda self: self.held)
    @rule(how=st.sampled_from(["succeed", "fail", "busy", "give back", "cancel", "renew"]), data=st.data())
    def end(self, how: str, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.held)))
        claim, mine = self.held[job_id], self.model.jobs[job_id]
        if how == "renew":
            hold = self.claims.renew(claim, JobProgress())
            assert hold is (RenewalResult.CANCELLED if mine.cancel else RenewalResult.KEPT)
            return
        self.ghosts.append(self.held.pop(job_id))
        if how == "succeed":
            assert self.claims.succeed(claim, {}, JobProgress())
            mine.status = "succeeded"
        elif how == "cancel":
            assert self.claims.end_cancelled(claim)
            mine.status = "cancelled"
        elif how == "give back":
            assert self.claims.give_back(claim)
            mine.status = "cancelled" if mine.cancel else "queued"
            mine.attempt -= 0 if mine.cancel else 1
            mine.due_in = 0.0
        else:
            assert self.claims.fail(claim, BUSY if how == "busy" else DEFECT)
            self.model.attempt_failed(job_id, 2.0 * 2 ** (mine.attempt - 1) if how == "busy" else None)
        self.model.resolve_dependents()

    @precondition(lambda self: self.ghosts)
    @rule(data=st.data())
    def write_too_late(self, data: st.DataObject) -> None:
        ghost = data.draw(st.sampled_from(self.ghosts))
        assert self.claims.renew(ghost, JobProgress("late")) is RenewalResult.LOST
        assert not self.claims.succeed(ghost, {"late": True}, JobProgress())
        assert not self.claims.fail(ghost, BUSY)
        assert not self.claims.give_back(ghost)

    @precondition(lambda self: self.held)
    @rule()
    def lose_all_leases(self) -> None:
        self.passed += timedelta(seconds=31)
        for mine in self.model.jobs.values():
            mine.due_in -= 31
        assert self.claims.reap() >= 1
        for job_id in [each for each, it in self.model.jobs.items() if it.status == "running"]:
            self.model.attempt_failed(job_id, 2.0 * 2 ** (self.model.jobs[job_id].attempt - 1))
        self.ghosts += self.held.values()
        self.held.clear()

    @rule(seconds=st.sampled_from([1, 3]))
    def wait(self, seconds: int) -> None:
        """No lease runs out: each is renewed."""
        self.passed += timedelta(seconds=seconds)
        for mine in self.model.jobs.values():
            mine.due_in -= seconds
        for claim in self.held.values():
            assert self.claims.renew(claim, JobProgress()) is not RenewalResult.LOST
        assert self.claims.reap() == 0

    @precondition(lambda self: self.model.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job_id = self.pick(data)
        self.table.cancel(job_id)
        for mine in (self.model.jobs[each] for each in self.model.family(job_id)):
            if mine.status in ("waiting", "queued"):
                mine.status, mine.cancel = "cancelled", True
            mine.cancel = mine.cancel or mine.status == "running"
        self.model.resolve_dependents()

    @precondition(lambda self: self.model.jobs)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        job_id = self.pick(data)
        mine = self.model.jobs[job_id]
        status = self.model.first_status(mine.needs)
        taken = any(
            mine.key and it.key == mine.key and self.model.is_open(each) for each, it in self.model.jobs.items()
        )
        try:
            self.table.retry(job_id)
        except PreconditionError:
            assert mine.status not in ("failed", "cancelled") or status is None
            return
        except AlreadyExistsError:
            assert taken
            return
        assert mine.status in ("failed", "cancelled")
        assert status is not None
        assert not taken
        mine.status, mine.attempt, mine.cancel, mine.due_in = status, 0, False, 0.0

    @invariant()
    def all_is_as_expected(self) -> None:
        told = {entry.id: (entry.status.value, entry.attempt) for entry in self.table.list(limit=1000)}
        assert told == {each: (it.status, it.attempt) for each, it in self.model.jobs.items()}


@pytest.mark.parametrize(
    "examples", [10, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])], ids=["few", "many"]
)
def test_any_sequence_of_calls_leaves_every_job_in_its_right_state(database: Database, examples: int) -> None:
    quick = settings(
        max_examples=examples,
        stateful_step_count=30,
        database=None,
        phases=[Phase.generate],  # making a failure small takes minutes on a database; it is short as it is
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    run_state_machine_as_test(type("CallsHere", (Calls,), {"database": database}), settings=quick)
