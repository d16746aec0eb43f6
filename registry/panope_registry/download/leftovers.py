"""Beginnings of downloads that nobody goes on with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from panope_registry.download.locks import locked
from panope_registry.download.partial import remove_partial
from panope_registry.store.store import Store


@dataclass(frozen=True)
class Leftover:
    """A partial download.

    Attributes:
        key: its sha256, or `git-` and its git hash.
        changed_at: when bytes last arrived.
    """

    key: str
    size_bytes: int
    changed_at: datetime


class _BusyError(Exception):
    """Somebody writes it."""


def leftovers(store: Store) -> Iterator[Leftover]:
    """Yields every partial download of a store, by key, those that are being written among them."""
    keys = {path.stem for path in store.downloads.iterdir()}
    for key in sorted(keys):
        files = [store.downloads / f"{key}{suffix}" for suffix in (".part", ".json", ".lock")]
        statuses = [status for status in map(_status, files) if status is not None]
        if statuses:
            changed_at = datetime.fromtimestamp(max(status.st_mtime for status in statuses), UTC)
            yield Leftover(key, sum(status.st_size for status in statuses), changed_at)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def discard_leftover(store: Store, key: str) -> int | None:
    """Removes a partial download; how many bytes that freed, None when somebody writes it at this moment."""
    try:
        with locked(store.downloads / f"{key}.lock", _refuse):
            return remove_partial(store.downloads / f"{key}.part")
    except _BusyError:
        return None


def _refuse() -> None:
    raise _BusyError
