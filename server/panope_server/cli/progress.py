"""Progress of jobs as people like to see it: one bar for each file, with speed and the time left."""

from __future__ import annotations

from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from panope_registry.jobs import JobEntry, JobStatus
from panope_server.cli.output import console


class Bars:
    """Bars that `show` moves.

    Args:
        quiet: draws nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=quiet,
        )
        self._files: dict[tuple[int, str], TaskID] = {}
        self._notes: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Leaves the bars as they are."""
        self._progress.stop()

    def show(self, job: JobEntry) -> None:
        """Draws how far a job is: the file at hand, or what it waits for."""
        if job.progress.unit == "bytes":
            self._show_file(job)
        note = _note_of(job)
        if note:
            bar = self._notes.get(job.id)
            if bar is None:
                self._notes[job.id] = self._progress.add_task(note, total=None)
            else:
                self._progress.update(bar, description=note)
        elif job.id in self._notes:
            self._progress.remove_task(self._notes.pop(job.id))

    def _show_file(self, job: JobEntry) -> None:
        done, total = job.progress.done, job.progress.total
        key = (job.id, job.progress.phase)
        if key not in self._files:
            # One file after another: those before this one are done.
            for (job_id, _), bar in self._files.items():
                if job_id == job.id:
                    self._finish(bar)
            self._files[key] = self._progress.add_task(job.progress.phase, total=total)
        if job.status is JobStatus.SUCCEEDED:
            self._finish(self._files[key])
        else:
            self._progress.update(self._files[key], completed=done, total=total)

    def _finish(self, bar: TaskID) -> None:
        task = next(task for task in self._progress.tasks if task.id == bar)
        self._progress.update(bar, completed=task.total)


def _note_of(job: JobEntry) -> str:
    """What there is to say when no file moves; empty when there is nothing."""
    name = job.payload.get("model", "")
    if job.status is JobStatus.QUEUED and job.error_message:
        seconds = max(0, round((job.run_at - datetime.now(UTC)).total_seconds()))
        return f"{job.error_message}; trying again in {seconds} s"
    if job.status is JobStatus.RUNNING and job.progress.phase == "sync":
        return f"looking at {name}"
    return ""
