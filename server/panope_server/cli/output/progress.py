"""Progress of jobs as people like to see it: one bar for each file, with speed and the time left."""

from __future__ import annotations

from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.console import Group
from rich.live import Live
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
from panope_server.cli.output.console import console

#: So many bars of files that are here stay in view.
MAX_FINISHED = 8


class Bars:
    """Bars that `show` moves; none where nobody watches, as in a pipe.

    Args:
        quiet: draws nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._words = Progress(SpinnerColumn(), TextColumn("{task.description}", markup=False))
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        self._live = Live(Group(self._progress, self._words), console=console, refresh_per_second=10)
        self._quiet = quiet or not console.is_interactive
        self._files: dict[tuple[int, str], TaskID] = {}
        self._wholes: dict[int, TaskID] = {}
        self._notes: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        if not self._quiet:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Leaves the bars as they are."""
        self._live.stop()

    def show(self, job: JobEntry) -> None:
        """Draws how far a job is: the files at hand and all together, or what it waits for."""
        if job.progress.unit == "bytes":
            self._show_files(job)
        note = _note_of(job)
        if note:
            self._note(job, note)
        elif job.id in self._notes:
            self._words.remove_task(self._notes.pop(job.id))

    def _note(self, job: JobEntry, note: str) -> None:
        bar = self._notes.get(job.id)
        if bar is None:
            self._notes[job.id] = self._words.add_task(note, total=None)
        else:
            self._words.update(bar, description=note)

    def _show_files(self, job: JobEntry) -> None:
        self._show_whole(job)
        at_hand = {part.name: part for part in job.progress.parts}
        for part in at_hand.values():
            bar = self._files.get((job.id, part.name))
            if bar is None:
                # With what is here already as its beginning: only what comes from now on counts as speed.
                bar = self._progress.add_task(part.name, total=part.total, completed=part.done)
                self._files[job.id, part.name] = bar
            self._progress.update(bar, completed=part.done, total=part.total)
        if job.status in (JobStatus.RUNNING, JobStatus.SUCCEEDED):
            ended = [(key, bar) for key, bar in self._files.items() if key[0] == job.id and key[1] not in at_hand]
            for _, bar in ended:
                self._finish(bar)
            for key, bar in ended[:-MAX_FINISHED]:
                self._progress.remove_task(bar)
                del self._files[key]

    def _show_whole(self, job: JobEntry) -> None:
        """The bar of all files, when there are several."""
        done, total = job.progress.done, job.progress.total
        bar = self._wholes.get(job.id)
        if bar is not None:
            self._progress.update(bar, completed=done, total=total)
        elif job.progress.parts and total > job.progress.parts[0].total:
            name = str(job.payload.get("model", ""))
            self._wholes[job.id] = self._progress.add_task(f"{name}, all files", total=total, completed=done)

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
