"""The folders that conversions write to until their results are in the store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from panope_backends.errors import CapacityError, NotFoundError
from panope_registry.jobs import JobContext
from panope_registry.store.files import disk_errors

#: Of folders, before the job's id and the attempt's number.
_PREFIX = "job-"


class Scratch:
    """The scratch folders of jobs, one for each attempt.

    Args:
        root: the folder that holds them.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def folder(self, context: JobContext, needed_bytes: int) -> Iterator[Path]:
        """Makes an empty folder that is gone afterwards; what killed attempts left goes first.

        Raises:
            CapacityError: the disk has not so much free.
        """
        with disk_errors("the scratch folder"):
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for stale in self._root.glob(f"{_PREFIX}*"):
                if _is_over(stale.name, context):
                    shutil.rmtree(stale, ignore_errors=True)
            self._refuse_full(needed_bytes)
            # The attempt is in the name, because one whose lease was lost may still be ending.
            folder = self._root / f"{_PREFIX}{context.job.id}-{context.job.attempt}"
            folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _refuse_full(self, needed_bytes: int) -> None:
        free = shutil.disk_usage(self._root).free
        if free < needed_bytes:
            raise CapacityError(
                f"the conversion needs about {needed_bytes} bytes of disk, and {free} are free", reason="disk_full"
            )


def _is_over(name: str, context: JobContext) -> bool:
    """Returns whether nobody works in a folder of that name: its attempt, or its job, has ended."""
    number = name.removeprefix(_PREFIX).partition("-")[0]
    if not number.isdecimal():
        return False
    try:
        return int(number) == context.job.id or context.jobs.get(int(number)).status.is_final
    except NotFoundError:
        return True
