"""Input that waits for an instance of one model: bounded in texts and in bytes, first come first served."""

from __future__ import annotations

import random

from panope_backends.errors import OverloadedError
from panope_server.runtime.instances.in_flight import Entry, Room
from panope_server.tasks.embed import EmbedInput
from panope_server.tasks.task import Input
from panope_server.tasks.tensors import TensorInput
from panope_server.tasks.tokenize import DetokenizeInput, TokenizeInput

MIN_RETRY_SECONDS = 0.05
MAX_RETRY_SECONDS = 30.0


def cost_of(task_input: Input) -> tuple[int, int]:
    """Texts and bytes of a piece of work; bytes of text are estimated by its characters."""
    match task_input:
        case EmbedInput():
            ids = sum(map(len, task_input.token_sequences)) * 4
            return len(task_input.texts) + len(task_input.token_sequences), sum(map(len, task_input.texts)) + ids
        case TensorInput():
            return 1, sum(len(tensor.data) for tensor in task_input.inputs)
        case TokenizeInput():
            return len(task_input.texts), sum(map(len, task_input.texts))
        case DetokenizeInput():
            return len(task_input.token_sequences), sum(map(len, task_input.token_sequences)) * 4


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


class WorkQueue(Room):
    """The queue of one model; an entry whose caller gives up leaves it wherever it stands."""

    def __init__(self, model: str, max_items: int, max_bytes: int) -> None:
        super().__init__()
        self._model = model
        self._max_texts = max_items
        self._max_bytes = max_bytes
        self.rate = Rate()

    def put(self, entry: Entry) -> None:
        """Adds an entry at the end.

        Raises:
            OverloadedError: there is no room; it tells when there may be.
        """
        if len(self) and (
            self.texts + entry.texts > self._max_texts or self.bytes + entry.size_bytes > self._max_bytes
        ):
            raise OverloadedError(
                f"model `{self._model}` has {self.texts:,} texts of {self.bytes:,} bytes waiting; "
                f"the limits are {self._max_texts:,} texts and {self._max_bytes:,} bytes",
                retry_after_seconds=self.retry_after(),
            )
        self.add(entry)

    def head(self) -> Entry | None:
        """The entry that is next; those whose caller has gone this very moment are dropped on the way."""
        while (entry := self.first()) is not None and entry.future.done():
            self.remove(entry)
        return entry

    def retry_after(self) -> float:
        """Seconds until the queue is likely to be empty, spread so that callers do not return together."""
        rate = self.rate.texts_per_second
        seconds = 1.0 if rate is None else self.texts / rate
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries, guards nothing
        return min(MAX_RETRY_SECONDS, max(MIN_RETRY_SECONDS, seconds * jitter))
