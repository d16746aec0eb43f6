"""What a handler gets: its job, progress to report, and interruptions to obey."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from panope_registry.jobs.queue import Jobs
from panope_registry.jobs.types import JobEntry, JobPart, JobProgress


class Interrupted(Exception):  # noqa: N818 - raised in a handler, and no error of anybody's
    """The handler is to end now, at a point from which it can go on another time."""


class JobCancelled(Interrupted):
    """A user wants the job to end."""


class LeaseLost(Interrupted):
    """Another runner may have the job: what this one still does counts for nothing."""


class RunnerStopping(Interrupted):
    """This process is stopping; another goes on with the job."""


class Postponed(Interrupted):
    """The handler cannot go on yet, by nobody's fault; the attempt does not count.

    Attributes:
        seconds: until the job is tried again, at least.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class JobContext:
    """One attempt of one job.

    Attributes:
        job: as it was when the attempt began.
        jobs: where further work is asked for.
    """

    def __init__(self, job: JobEntry, jobs: Jobs) -> None:
        self.job = job
        self.jobs = jobs
        self._progress = job.progress
        self._interruption: Interrupted | None = None
        self._interrupted = threading.Event()
        self._listener: Callable[[], object] = lambda: None

    def progress(
        self, phase: str, done: int = 0, total: int = 0, unit: str = "", parts: Iterable[JobPart] = ()
    ) -> None:
        """Reports how far the job is; costs nothing, as the runner writes the latest report once a second."""
        self._progress = JobProgress(phase, done, total, unit, tuple(parts))

    def check(self) -> None:
        """Returns while the job may go on; call it often.

        Raises:
            Interrupted: JobCancelled, LeaseLost or RunnerStopping; let it pass.
        """
        if self._interruption is not None:
            raise self._interruption

    @property
    def interruption(self) -> Interrupted | None:
        """The error that `check` would raise, for handlers that end in a way of their own."""
        return self._interruption

    def wait(self, seconds: float) -> None:
        """Waits, but no longer than the job may go on.

        Raises:
            Interrupted: as `check`.
        """
        self._interrupted.wait(seconds)
        self.check()

    @property
    def latest_progress(self) -> JobProgress:
        """The progress that the handler reported last."""
        return self._progress

    def interrupt(self, interruption: Interrupted) -> None:
        """Interrupts the handler; the first interruption counts, but for a lost lease."""
        if self._interruption is None or isinstance(interruption, LeaseLost):
            self._interruption = interruption
            self._interrupted.set()
            self._listener()

    def on_interruption(self, listener: Callable[[], object]) -> None:
        """Has something called when the handler is to end, at once if it is already; for what waits elsewhere."""
        self._listener = listener
        if self._interruption is not None:
            listener()
