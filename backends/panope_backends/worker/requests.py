"""Requests on their way through the worker."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.api import Arrays
from panope_backends.errors import BY_REASON, Field, PanopeError
from panope_backends.tasks.task import (
    ArrayItem,
    ArrayJob,
    DeviceJob,
    Rows,
    SequenceJob,
    TokenJob,
    TokenRow,
)
from panope_backends.worker.flow import Flow

#: The shape of token sequences among those of arrays.
SEQUENCES = ""


def is_late(deadline: int) -> bool:
    """Whether a time of `time.monotonic_ns` has passed; 0 for no such time."""
    return 0 < deadline <= time.monotonic_ns()


@dataclass(slots=True, eq=False)
class Request:
    """One request that needs the device.

    Attributes:
        frame_id: of the server's frame.
        flow: whose turns it waits for on the device.
        request_id: for the log.
        priority: -100 to 100.
        deadline: in nanoseconds of `time.monotonic_ns`, when nobody waits for it any more; 0 for no such time.
        accepted: when its tokens were ready, in seconds of `time.perf_counter`.
        over: whether it is answered, failed or cancelled; nothing is sent for it any more.
        device_seconds: its share of the device's time, of which nothing was told yet.
    """

    frame_id: int
    flow: Flow
    request_id: str
    accepted: float
    timing: wire.Timing
    priority: int = 0
    deadline: int = 0
    over: bool = False
    device_seconds: float = 0.0

    @property
    def is_late(self) -> bool:
        """Whether its deadline has passed; the server has told its caller."""
        return is_late(self.deadline)

    def ran(self, started: float, ended: float, batch_size: int, share: float = 1.0) -> None:
        """Counts a batch that it was part of, with so much of it."""
        self.device_seconds += (ended - started) * share
        self.timing.batch_wait_microseconds = microseconds(started - self.accepted)
        self.timing.run_microseconds += microseconds(ended - started)
        self.timing.batch_size = max(self.timing.batch_size, batch_size)

    def close(self) -> None:
        """Ends what its job has beside itself; called when it is over, quickly. Default: nothing."""

    def part(self, output: bytes) -> wire.Part:
        """A part of its answer, with the device's time since the one before."""
        return wire.Part(id=self.frame_id, output=output, device_microseconds=self._take_device_microseconds())

    def last_part(self, output: bytes) -> wire.Part:
        """As `part`, for the last one."""
        made = self.part(output)
        made.last = True
        made.timing.CopyFrom(self.timing)
        return made

    def failure_part(self, error: PanopeError) -> wire.Part:
        """The end of its answer, when it fails."""
        made = failure_part(self.frame_id, error, self.timing)
        made.device_microseconds = self._take_device_microseconds()
        return made

    def _take_device_microseconds(self) -> int:
        told, self.device_seconds = self.device_seconds, 0.0
        return microseconds(told)


@dataclass(slots=True, eq=False, kw_only=True)
class BatchedRequest(Request):
    """A request over items that run in batches with those of others, in any order.

    Attributes:
        rows: what the model gave for each item.
        missing: how many items have none yet.
    """

    rows: Any
    missing: int

    def put(self, index: int, row: Any) -> None:
        """Keeps the row of one item."""
        self.rows[index] = row
        self.missing -= 1

    @abstractmethod
    def item(self, index: int) -> Any:
        """One of the items."""

    @abstractmethod
    def tokens(self, index: int) -> int:
        """What one of the items costs the device."""

    @abstractmethod
    def shape(self, index: int) -> Hashable:
        """Alike for items that can run together."""

    @property
    def makes_rounds_slowly(self) -> bool:
        """Whether threads of their own begin its rounds, the first too. Default: the device's thread does."""
        return False

    def begin_next(self) -> bool:
        """When no row is missing: whether there is a next round, whose rows are missing now. Default: there is none."""
        return False

    @abstractmethod
    def answer(self) -> bytes:
        """The answer, when no row is missing and no round follows."""


@dataclass(slots=True, eq=False, kw_only=True)
class SequenceRequest(BatchedRequest):
    """A request over token sequences."""

    job: SequenceJob
    rows: Rows

    def item(self, index: int) -> TokenRow:
        """A sequence."""
        return self.job.sequences[index]

    def tokens(self, index: int) -> int:
        """Its length."""
        return len(self.job.sequences[index].ids)

    def shape(self, index: int) -> Hashable:
        """All are padded to one length."""
        del index
        return SEQUENCES

    def answer(self) -> bytes:
        """Of the job."""
        return self.job.answer(self.rows)


@dataclass(slots=True, eq=False, kw_only=True)
class ArrayRequest(BatchedRequest):
    """A request over arrays.

    Attributes:
        items: of the round that runs.
        alone: whether each item is a batch of its own.
    """

    job: ArrayJob
    items: Sequence[ArrayItem]
    rows: list[Arrays]
    alone: bool = False

    def item(self, index: int) -> ArrayItem:
        """An item with its arrays."""
        return self.items[index]

    def tokens(self, index: int) -> int:
        """As the item says."""
        return self.items[index].tokens

    def shape(self, index: int) -> Hashable:
        """Of all of its arrays."""
        return self.items[index].shape

    def begin_next(self) -> bool:
        """As the job says."""
        self.items = ()  # a job that reads many pages has no need of those before
        items = self.job.next_items(self.rows)
        if items:
            self.items, self.rows, self.missing = items, [{}] * len(items), len(items)
            self.accepted = time.perf_counter()
        return bool(items)

    def answer(self) -> bytes:
        """Of the job."""
        return self.job.answer(self.rows)

    @property
    def makes_rounds_slowly(self) -> bool:
        """As the job says."""
        return self.job.makes_rounds_slowly

    def close(self) -> None:
        """Of the job."""
        self.job.close()


@dataclass(slots=True, eq=False, kw_only=True)
class DeviceRequest(Request):
    """A request that runs by itself, step by step.

    Attributes:
        paused: whether the server has no room for more parts.
        is_queued: whether its next step waits for the device; else the step runs, or the server's word is awaited.
    """

    job: DeviceJob
    paused: bool = False
    is_queued: bool = False


@dataclass(slots=True, eq=False, kw_only=True)
class TokenRequest(Request):
    """A request to a model that generates.

    Attributes:
        paused: whether the server has no room for more parts.
        submitted: how many of the job's prompts the model has got; they are submitted in their order.
        running: the ids of those that have not ended.
        started: when the first was submitted, in seconds of `time.perf_counter`; 0 before.
        token_times: see `TokenCounts`.
    """

    job: TokenJob
    paused: bool = False
    submitted: int = 0
    running: set[int] = field(default_factory=set)
    started: float = 0.0
    token_times: dict[tuple[int, int], float] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        """Whether a prompt of it waits for slots."""
        return self.submitted < len(self.job.requests)

    def came(self, now: float) -> None:
        """Notes that tokens of it came; the first time counts."""
        if not self.timing.HasField("first_token_microseconds"):
            self.timing.first_token_microseconds = microseconds(now - self.started)

    @property
    def is_complete(self) -> bool:
        """Whether every prompt has its answers."""
        return not self.waits and not self.running


@dataclass(slots=True, eq=False)
class Slot:
    """One item of a request."""

    request: BatchedRequest
    index: int

    @property
    def tokens(self) -> int:
        """What it costs the device."""
        return self.request.tokens(self.index)


Item = Slot | DeviceRequest
"""What waits for the device."""


def microseconds(seconds: float) -> int:
    """Whole microseconds, never negative."""
    return max(0, round(seconds * 1_000_000))


def failure(error: PanopeError) -> wire.Failure:
    """The error as it crosses the socket; a reason that is not known there gives way to its class's own."""
    reason = error.reason if error.reason in BY_REASON else error.default_reason
    sentence = [
        wire.SentencePiece(field=piece.path) if isinstance(piece, Field) else wire.SentencePiece(text=piece)
        for piece in error.sentence
    ]
    return wire.Failure(reason=reason, sentence=sentence, field=error.field)


def failure_part(frame_id: int, error: PanopeError, timing: wire.Timing | None = None) -> wire.Part:
    """The end of an answer that fails."""
    return wire.Part(id=frame_id, failure=failure(error), last=True, timing=timing or wire.Timing())
