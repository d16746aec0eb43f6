"""What was used and is in no database yet, in a file: for the next start, should this process be killed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import structlog

from panope_registry.serving_records.usage import UsageCounts, UsageKey

_log = structlog.get_logger("panope.server")


@dataclass(frozen=True)
class UsageBatch:
    """What a writer has counted since its batch before; see `UsageLedger.write`."""

    writer: str
    sequence: int
    rows: Mapping[UsageKey, UsageCounts]


class UsageJournal:
    """A file that holds batches; it is always whole, and is not there when there are none.

    It outlives the end of the process, and not that of the machine: it is not forced to the disk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fresh = path.with_suffix(".new")

    def keep(self, batches: Sequence[UsageBatch]) -> None:
        """Keeps these batches, and no others.

        Raises:
            OSError: the disk is full, or cannot be written; what was kept before stays.
        """
        if not batches:
            self._path.unlink(missing_ok=True)
            return
        text = json.dumps({"batches": [_document(batch) for batch in batches]}, separators=(",", ":"))
        descriptor = os.open(self._fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        self._fresh.rename(self._path)

    def read(self) -> list[UsageBatch]:
        """Returns what a process that was killed has left; a file that is none of ours is put aside."""
        try:
            document = json.loads(self._path.read_bytes())
            return [_batch(batch) for batch in document["batches"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.error("usage_journal_unreadable", error=type(error).__name__)
            with suppress(OSError):
                self._path.rename(self._path.with_suffix(".unreadable"))
            return []


def _document(batch: UsageBatch) -> dict[str, object]:
    rows = [
        [key.hour.isoformat(), key.principal, key.model, key.task, asdict(counts)] for key, counts in batch.rows.items()
    ]
    return {"writer": batch.writer, "sequence": batch.sequence, "rows": rows}


def _batch(document: Mapping[str, object]) -> UsageBatch:
    rows: dict[UsageKey, UsageCounts] = {}
    for hour, principal, model, task, counts in document["rows"]:  # type: ignore[attr-defined]  # as `_document` has it
        rows[UsageKey(datetime.fromisoformat(hour), principal, model, task)] = UsageCounts(**counts)
    return UsageBatch(str(document["writer"]), int(str(document["sequence"])), rows)
