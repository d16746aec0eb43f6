"""Runs the jobs of one command in its own process, and draws how far they are."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

from panope_backends.errors import PanopeError
from panope_server.cli.output.console import console, fail, note
from panope_server.cli.output.logs import log_to_file

if TYPE_CHECKING:
    from panope_registry.jobs import JobEntry, Jobs
    from panope_registry.session import RegistrySession
    from panope_server.cli.output.progress import Bars
    from panope_server.config import Settings

LOOK_SECONDS = 0.2
INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells give it."""


def run_to_success(settings: Settings, session: RegistrySession, job: JobEntry, *, quiet: bool) -> JobEntry:
    """The job when it and what it asked for have succeeded; ends the command when they have not."""
    from panope_registry.jobs import JobStatus
    from panope_server.cli.output.progress import Bars

    with _stoppable(), Bars(quiet=quiet) as bars:
        (job,) = run_to_end(settings, session, [job], bars)
        quantize_jobs = [session.jobs.get(job_id) for job_id in job.result.get("quantize_jobs", ())]
        quantized = run_to_end(settings, session, quantize_jobs, bars)
    if job.status is JobStatus.CANCELLED:
        fail(f"job {job.id} was cancelled; what it has downloaded is kept")
    if job.status is JobStatus.FAILED:
        fail(job.error_message)
    for quantize_job in quantized:
        if quantize_job.status is not JobStatus.SUCCEEDED:
            reason = quantize_job.error_message or "cancelled"
            fail(f"{job.payload['model']} {quantize_job.payload['precision']}: {reason}")
    return job


def run_to_end(settings: Settings, session: RegistrySession, jobs: Sequence[JobEntry], bars: Bars) -> list[JobEntry]:
    """The jobs at their end, run here and drawn."""
    if not jobs:
        return []
    ids = set().union(*(_family(session.jobs, job) for job in jobs))
    with _working(settings, session, ids) as failure:
        try:
            return [_followed(session.jobs, job, bars, failure) for job in jobs]
        except KeyboardInterrupt:
            bars.stop()
            _interrupted(jobs[0])


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM ends the command as Ctrl-C does; a shell that runs it in the background may have Ctrl-C's ignored."""
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        note("SIGINT is ignored, as it was when this was started; SIGTERM stops it, and the same command goes on then")
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _followed(jobs: Jobs, job: JobEntry, bars: Bars, failure: list[PanopeError]) -> JobEntry:
    """Draws the job, and those that it waits for, to its end."""
    pause = threading.Event()
    while True:
        for needed_id in job.depends_on:
            bars.show(jobs.get(needed_id))
        job = jobs.get(job.id)
        bars.show(job)
        if job.status.is_final:
            return _cause(jobs, job) if job.error_reason == "dependency_failed" else job
        if failure:
            raise failure[0]
        pause.wait(LOOK_SECONDS)


def _family(jobs: Jobs, job: JobEntry) -> set[int]:
    """The job and all that must succeed before it: others, such as an older pull that was interrupted, have to wait."""
    return {job.id}.union(*(_family(jobs, jobs.get(needed)) for needed in job.depends_on))


def _cause(jobs: Jobs, job: JobEntry) -> JobEntry:
    """Of the jobs that had to succeed first, the one that did not."""
    from panope_registry.jobs import JobStatus

    needed = [jobs.get(needed_id) for needed_id in job.depends_on]
    return next((each for each in needed if each.status is not JobStatus.SUCCEEDED), job)


def _interrupted(job: JobEntry) -> NoReturn:
    console.print(f"\nstopped; the same command, or `panope job-worker`, goes on with job {job.id} where it was")
    raise SystemExit(INTERRUPTED)


@contextlib.contextmanager
def _working(settings: Settings, session: RegistrySession, ids: Collection[int]) -> Iterator[list[PanopeError]]:
    """Runs these jobs in a thread while the block lasts; yields a list that gets the error that ended it."""
    from panope_server.job_worker.worker import run_jobs

    log_to_file(settings)
    stop = threading.Event()
    failure: list[PanopeError] = []

    def run() -> None:
        try:
            run_jobs(settings, session, stop, only=ids)
        except PanopeError as error:
            failure.append(error)

    thread = threading.Thread(target=run, name="jobs")
    thread.start()
    try:
        yield failure
    finally:
        stop.set()
        thread.join()
