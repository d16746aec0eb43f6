"""Work that waits for an instance of one model: bounded in texts and in bytes, first come first served."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from panope.worker.v1.worker_pb2 import WorkerFrame
from panope_backends.errors import OverloadedError
from panope_server.work import DetokenizeWork, EmbedWork, Place, TensorWork, TokenizeWork, Work

MIN_RETRY_SECONDS = 0.05
MAX_RETRY_SECONDS = 30.0


@dataclass(slots=True, eq=False)
class Entry:
    """One piece of work on its way to an instance.

    Attributes:
        texts: its cost in texts; a set of tensors counts as one.
        size_bytes: its cost in bytes.
        future: resolved with the worker's frame, or an error.
        place: is told which instance has it.
        withdraw: takes the entry back from the instance that has it; None while it waits in the queue.
    """

    work: Work
    request_id: str
    texts: int
    size_bytes: int
    future: asyncio.Future[WorkerFrame]
    place: Place = field(default_factory=Place)
    enqueued: float = field(default_factory=time.monotonic)
    dispatched: float = 0.0
    withdraw: Callable[[], None] | None = None


def cost_of(work: Work) -> tuple[int, int]:
    """Texts and bytes of a piece of work; bytes of text are estimated by its characters."""
    match work:
        case EmbedWork():
            ids = sum(map(len, work.token_sequences)) * 4
            return len(work.texts) + len(work.token_sequences), sum(map(len, work.texts)) + ids
        case TensorWork():
            return 1, sum(len(tensor.data) for tensor in work.inputs)
        case TokenizeWork():
            return len(work.texts), sum(map(len, work.texts))
        case DetokenizeWork():
            return len(work.token_sequences), sum(map(len, work.token_sequences)) * 4


class Rate:
    """How many texts a model answers in a second, averaged over about the last ten seconds of work."""

    _WINDOW = 10.0

    def __init__(self) -> None:
        self._texts = 0.0
        self._seconds = 0.0

    def record(self, texts: int, seconds: float) -> None:
        """Counts texts that took `seconds` of the model's busy time."""
        keep = max(0.0, 1 - seconds / self._WINDOW)
        self._texts = self._texts * keep + texts
        self._seconds = self._seconds * keep + seconds

    @property
    def texts_per_second(self) -> float | None:
        """None until something was measured."""
        return self._texts / self._seconds if self._seconds > 0 else None


class WorkQueue:
    """The queue of one model."""

    def __init__(self, model: str, max_texts: int, max_bytes: int) -> None:
        self._model = model
        self._max_texts = max_texts
        self._max_bytes = max_bytes
        self._entries: deque[Entry] = deque()
        self.texts = 0
        self.bytes = 0
        self.rate = Rate()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Entry) -> None:
        """Adds an entry at the end.

        Raises:
            OverloadedError: there is no room; it tells when there may be.
        """
        if self._entries and (
            self.texts + entry.texts > self._max_texts or self.bytes + entry.size_bytes > self._max_bytes
        ):
            raise OverloadedError(
                f"model `{self._model}` has {self.texts:,} texts of {self.bytes:,} bytes waiting; "
                f"the limits are {self._max_texts:,} texts and {self._max_bytes:,} bytes",
                retry_after_seconds=self.retry_after(),
            )
        self._entries.append(entry)
        self.texts += entry.texts
        self.bytes += entry.size_bytes

    def head(self) -> Entry | None:
        """The entry that is next; those whose caller has gone are dropped on the way."""
        while self._entries:
            entry = self._entries[0]
            if not entry.future.done():
                return entry
            self._pop()
        return None

    def pop(self) -> Entry:
        """Takes the entry that `head` gave."""
        return self._pop()

    def drain(self) -> list[Entry]:
        """Takes every entry."""
        entries = [entry for entry in self._entries if not entry.future.done()]
        self._entries.clear()
        self.texts = self.bytes = 0
        return entries

    def retry_after(self) -> float:
        """Seconds until the queue is likely to be empty, spread so that callers do not return together."""
        rate = self.rate.texts_per_second
        seconds = 1.0 if rate is None else self.texts / rate
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries, guards nothing
        return min(MAX_RETRY_SECONDS, max(MIN_RETRY_SECONDS, seconds * jitter))

    def _pop(self) -> Entry:
        entry = self._entries.popleft()
        self.texts -= entry.texts
        self.bytes -= entry.size_bytes
        return entry
