"""How far something is that is made step by step, as a bar."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from panope_server.cli.output.console import console


class StepBar:
    """A bar that `show` moves; none where nobody watches, as in a pipe.

    Args:
        count: of what is made.
        quiet: shows nothing.
        doing: what is done, for people.
        unit: what is counted.
    """

    def __init__(self, count: int = 1, *, quiet: bool = False, doing: str = "drawing", unit: str = "steps") -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=quiet or not console.is_interactive,
        )
        self._bar = self._progress.add_task("waiting", total=None)
        self._count, self._doing = count, doing

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, index: int, step: int, steps: int | None) -> None:
        """Shows how far it is.

        Args:
            index: of what is made, from 0.
            step: that is done.
            steps: of it; None where nobody knows.
        """
        what = self._doing if self._count == 1 else f"{self._doing} {index + 1} of {self._count}"
        self._progress.update(self._bar, description=what, completed=step, total=steps)
