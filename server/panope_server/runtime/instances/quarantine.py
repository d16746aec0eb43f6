"""Requests that were with workers when these died.

A worker that dies does not tell of what, so all that it had at that moment is noted. A request that was with two
workers that died runs alone from then on, so that others no longer die with it; one that was all that two workers had
when they died is refused for a while. An answer clears it.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Collection

import structlog

from panope_backends.errors import PreconditionError
from panope_server.runtime.instances.in_flight import Entry

_log = structlog.get_logger("panope.instances")

DEATHS_TO_RUN_ALONE = 2
#: Together fewer than the crashes after which a model is given up.
DEATHS_ALONE_TO_REFUSE = 2
REMEMBERED_SECONDS = 600.0
MAX_REMEMBERED = 1024
_SAMPLE_BYTES = 64 << 10


class _Record:
    __slots__ = ("alone", "deaths", "until")

    def __init__(self) -> None:
        self.deaths = 0
        self.alone = 0
        self.until = 0.0

    @property
    def refused(self) -> bool:
        return self.alone >= DEATHS_ALONE_TO_REFUSE


class Quarantine:
    """What one model's workers died of, perhaps.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, model: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._model = model
        self._clock = clock
        self._records: OrderedDict[bytes, _Record] = OrderedDict()

    def admit(self, entry: Entry) -> None:
        """Lets an entry pass, alone if it must be.

        Raises:
            PreconditionError: workers died of it.
        """
        record = self._record_of(entry)
        if record is None:
            return
        if record.refused:
            seconds = max(1, round(record.until - self._clock()))
            raise PreconditionError(
                f"this request ended a worker of model `{self._model}` {record.deaths} times, {record.alone} times "
                f"with no other beside it; it is refused for {seconds:,} seconds",
                reason="request_quarantined",
            )
        entry.alone = record.deaths >= DEATHS_TO_RUN_ALONE

    def answered(self, entry: Entry) -> None:
        """A worker has answered an entry and lives."""
        if self._records:
            self._records.pop(fingerprint_of(entry), None)

    def died(self, prints: Collection[bytes]) -> None:
        """A worker died while it had the requests of these fingerprints."""
        for each in prints:
            record = self._records.setdefault(each, _Record())
            self._records.move_to_end(each)
            record.deaths += 1
            record.until = self._clock() + REMEMBERED_SECONDS
            record.alone += len(prints) == 1
            if record.refused:
                _log.error("request_quarantined", model=self._model, crash_count=record.deaths, request=each.hex()[:16])
        while len(self._records) > MAX_REMEMBERED:
            self._records.popitem(last=False)

    def _record_of(self, entry: Entry) -> _Record | None:
        if not self._records:
            return None
        fingerprint = fingerprint_of(entry)
        record = self._records.get(fingerprint)
        if record is not None and record.until <= self._clock():
            del self._records[fingerprint]
            return None
        return record


def fingerprint_of(entry: Entry) -> bytes:
    """What tells one request from another, whoever sends it: of a large one its size, its beginning and its end."""
    body = memoryview(entry.frame)[entry.head_bytes :]
    digest = hashlib.blake2b(len(body).to_bytes(8, "little"), digest_size=16)
    digest.update(body[:_SAMPLE_BYTES])
    digest.update(body[-_SAMPLE_BYTES:])
    return digest.digest()
