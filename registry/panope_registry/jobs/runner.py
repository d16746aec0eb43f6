"""Runs jobs in threads, renews their leases, and records how they ended."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from panope_backends.errors import AvailabilityError
from panope_backends.retry import RetryPolicy
from panope_registry.interruption import interruptible
from panope_registry.jobs.claims import Claim, Claims, RenewalResult
from panope_registry.jobs.context import Interrupted, JobCancelled, JobContext, LeaseLost, Postponed, RunnerStopping
from panope_registry.jobs.failure import JOB_RETRIES, failure_of
from panope_registry.jobs.notifications import forward_notifications
from panope_registry.jobs.pruning import Pruning, Retention
from panope_registry.jobs.queue import Jobs

Handler = Callable[[JobContext], Mapping[str, Any]]
"""Does a job and returns its result, which goes through JSON. It may run again after a crash at any point, so it must
find what it did before and go on from there."""

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.1
"""How soon a stop is seen."""

_FIRST_PRUNE_SECONDS = 5.0
"""Programs that run one job and end leave old ones alone."""

_PRUNE_SECONDS = 600.0
"""Between two looks for jobs that ended long ago, once none is left."""


@dataclass(frozen=True)
class _Attempt:
    claim: Claim
    context: JobContext
    thread: threading.Thread


class Runner:
    """Takes jobs of the kinds that it has handlers for, as many at a time as it may.

    Any number of runners, in threads, processes and on machines, share a database. Each job runs in one at a time: a
    runner that does not renew a lease in time loses the job to another.
    """

    def __init__(
        self,
        jobs: Jobs,
        handlers: Mapping[str, Handler],
        *,
        owner: str,
        concurrency: int = 2,
        lease_seconds: float = 30.0,
        tick_seconds: float = 1.0,
        grace_seconds: float = 10.0,
        retry_policy: RetryPolicy = JOB_RETRIES,
        store: str | None = None,
        retention: Retention | None = None,
        only: Collection[int] | None = None,
    ) -> None:
        """Takes no job yet.

        Args:
            jobs: where they are.
            handlers: by kind.
            owner: names this runner for people.
            concurrency: jobs at a time.
            lease_seconds: how long a job stays this runner's without a renewal.
            tick_seconds: between two renewals of each lease with its progress, and two polls for due jobs when no
                notification comes.
            grace_seconds: how long handlers may take to end when the runner stops.
            retry_policy: how long jobs wait after an attempt that failed.
            store: the id of the store that its handlers write to; it takes jobs for that one and for any.
            retention: how long jobs are remembered that have ended; by default 30 days, and 10,000 of them.
            only: the jobs to take, by id; None for all that it has handlers for.
        """
        self._jobs = jobs
        self._handlers = dict(handlers)
        self._concurrency = concurrency
        self._tick_seconds = tick_seconds
        self._grace_seconds = grace_seconds
        self._reap_every = lease_seconds / 3
        self._reap_at = 0.0
        self._renew_at = 0.0
        self._claims = Claims(
            jobs.database,
            jobs.clock,
            owner=owner,
            lease_seconds=lease_seconds,
            retry_policy=retry_policy,
            store=store,
            only=only,
        )
        self._pruning = Pruning(jobs.database, jobs.clock, retention or Retention())
        self._prune_at = time.monotonic() + _FIRST_PRUNE_SECONDS
        # By claim, as a job whose lease was lost may be here a second time while the first thread still ends.
        self._running: dict[tuple[int, int], _Attempt] = {}
        self._lock = threading.Lock()
        self._abandoned = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Runs jobs until `stop` is set, through any absence of the database.

        Then handlers are asked to end, and their jobs go to other runners. Those that take longer than the grace are
        left behind in their threads, and their jobs become free when the leases end.
        """
        self._abandoned.clear()
        with forward_notifications(self._jobs.database, self._jobs.wakeup):
            while not stop.is_set():
                seen = self._jobs.wakeup.count
                self._guarded(self._tick)
                self._wait(seen, stop)
        self._drain()

    def _tick(self) -> None:
        """Does what is due; a notification may mean a new job, or a request that one should end."""
        if time.monotonic() >= self._renew_at:
            self._renew_at = time.monotonic() + self._tick_seconds
            self._renew()
        else:
            self._interrupt_cancelled()
        if time.monotonic() >= self._reap_at:
            self._claims.reap()
            self._reap_at = time.monotonic() + self._reap_every
        while len(self._running) < self._concurrency and self._start_next():
            pass
        # Last, and a few at a time, so that no lease and no job waits for it.
        if time.monotonic() >= self._prune_at and not self._pruning.prune_some():
            self._prune_at = time.monotonic() + _PRUNE_SECONDS

    def _renew(self) -> None:
        for attempt in self._attempts():
            hold = self._claims.renew(attempt.claim, attempt.context.latest_progress)
            if hold is RenewalResult.CANCELLED:
                attempt.context.interrupt(JobCancelled())
            elif hold is RenewalResult.LOST:
                # Also when its thread has just ended the job: then nobody reads this.
                attempt.context.interrupt(LeaseLost())

    def _interrupt_cancelled(self) -> None:
        attempts = self._attempts()
        cancelled = self._claims.cancelled([attempt.claim for attempt in attempts]) if attempts else []
        for attempt in attempts:
            if attempt.claim in cancelled:
                attempt.context.interrupt(JobCancelled())

    def _start_next(self) -> bool:
        claim = self._claims.claim(self._handlers)
        if claim is None:
            return False
        context = JobContext(claim.job, self._jobs)
        thread = threading.Thread(target=self._run_job, args=(claim, context), name=f"job-{claim.job.id}", daemon=True)
        with self._lock:
            self._running[claim.job.id, claim.token] = _Attempt(claim, context, thread)
        thread.start()
        return True

    def _run_job(self, claim: Claim, context: JobContext) -> None:
        try:
            self._report(self._outcome(claim, context))
        finally:
            with self._lock:
                del self._running[claim.job.id, claim.token]
            self._jobs.wakeup.notify()

    def _outcome(self, claim: Claim, context: JobContext) -> Callable[[], object]:
        """Runs the handler; returns what records its outcome."""
        try:
            with interruptible(context.check):
                result = json.loads(json.dumps(dict(self._handlers[claim.job.kind](context))))
        except Interrupted as interruption:
            return self._interrupted(claim, interruption)
        except BaseException as error:  # a thread that dies of anything would keep its job for ever
            # An error after an interruption is its consequence: what was torn down under the handler.
            if context.interruption is not None:
                return self._interrupted(claim, context.interruption)
            failure = failure_of(error)
            if failure.reason == "internal_error":
                _log.error("job %d of kind %s failed by a defect", claim.job.id, claim.job.kind, exc_info=error)
            return lambda: self._claims.fail(claim, failure)
        return lambda: self._claims.succeed(claim, result, context.latest_progress)

    def _interrupted(self, claim: Claim, interruption: Interrupted) -> Callable[[], object]:
        if isinstance(interruption, LeaseLost):
            return lambda: None
        if isinstance(interruption, JobCancelled):
            return lambda: self._claims.end_cancelled(claim)
        if isinstance(interruption, Postponed):
            return lambda: self._claims.give_back(claim, interruption.seconds)
        return lambda: self._claims.give_back(claim)

    def _report(self, record: Callable[[], object]) -> None:
        """Records an outcome, again until the database answers; the lease is renewed meanwhile."""
        while not self._guarded(record) and not self._abandoned.wait(self._tick_seconds):
            pass

    def _drain(self) -> None:
        for attempt in self._attempts():
            attempt.context.interrupt(RunnerStopping())
        end = time.monotonic() + self._grace_seconds
        while self._running and time.monotonic() < end:
            seen = self._jobs.wakeup.count
            self._guarded(self._renew)
            if self._running:
                self._jobs.wakeup.wait(seen, min(self._tick_seconds, max(0.0, end - time.monotonic())))
        self._abandoned.set()

    def _wait(self, seen: int, stop: threading.Event) -> None:
        """Waits until the next tick, a notification, or the stop."""
        end = max(self._renew_at, time.monotonic())
        while not stop.is_set() and (left := end - time.monotonic()) > 0:
            if self._jobs.wakeup.wait(seen, min(left, _POLL_SECONDS)):
                return

    def _attempts(self) -> list[_Attempt]:
        with self._lock:
            return list(self._running.values())

    @staticmethod
    def _guarded(action: Callable[[], object]) -> bool:
        """Does something with the database; False when that does not answer."""
        try:
            action()
        except AvailabilityError:
            _log.warning("the registry's database does not answer; trying again")
            return False
        return True
