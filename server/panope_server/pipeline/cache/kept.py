"""Answers as a store keeps them: each with the time at which it was computed."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from panope_server.pipeline.cache.stores.store import Store
from panope_server.tasks.catalog import AnyTask, task_named
from panope_server.tasks.task import Output

_TIME = struct.Struct("<d")
_ENCODER = msgspec.msgpack.Encoder()


class KeptAnswers:
    """Finds answers and keeps them.

    Args:
        store: where.
        ttl_seconds: for which an answer is as good as new.
        clock: seconds since 1970, on which the machines that share a store agree roughly.

    Attributes:
        epoch: grows whenever all is forgotten; what was asked before is not kept after.
    """

    def __init__(self, store: Store, ttl_seconds: float, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self.epoch = 0

    async def find(self, keys: Sequence[bytes], max_age_seconds: float | None = None) -> dict[bytes, bytes]:
        """The answers that are kept, by their keys, as `answer_of` and `age_of` read them.

        Args:
            keys: of what is looked for.
            max_age_seconds: of an answer; None for any.
        """
        most = self._ttl_seconds if max_age_seconds is None else min(max_age_seconds, self._ttl_seconds)
        values = await self._store.get(keys)
        pairs = zip(keys, values, strict=True)
        return {key: value for key, value in pairs if value is not None and self.age_of(value) <= most}

    async def keep(self, answers: Mapping[bytes, bytes], epoch: int) -> None:
        """Keeps what `packed` made, of a call that came in an epoch."""
        if epoch == self.epoch:
            await self._store.put(answers)

    async def forget(self) -> int:
        """Forgets every answer, and those to come of calls that are on their way; how many there were.

        Raises:
            AvailabilityError: the store that servers share still has some.
        """
        self.epoch += 1
        return await self._store.clear()

    def packed(self, answer: Output) -> bytes:
        """An answer as it is kept, computed now."""
        return _TIME.pack(self._clock()) + _ENCODER.encode(answer)

    def age_of(self, value: bytes) -> float:
        """Seconds since an answer was computed; of one that a clock ahead of ours has made, 0."""
        computed: float = _TIME.unpack_from(value)[0]
        return max(0.0, self._clock() - computed)


def answer_of(task: AnyTask, value: bytes) -> Output:
    """The answer of a kept value, an object of its own."""
    answer: Output = _decoder(task.name).decode(memoryview(value)[_TIME.size :])
    return answer


@cache
def _decoder(task_name: str) -> msgspec.msgpack.Decoder[Any]:
    task = task_named(task_name)
    assert task is not None
    return msgspec.msgpack.Decoder(task.output_type)
