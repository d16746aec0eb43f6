"""The calls with a stream of messages, and which of them end first when memory is short."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(eq=False, slots=True)
class Stream:
    """One call.

    Attributes:
        task: answers it.
        peer: the connection that it came by.
        checks: since its last message or answer.
        unanswered: messages that came, less answers that were taken.
        is_ended: whether it was told to end.
    """

    task: asyncio.Task[Any]
    peer: str
    checks: int = 0
    unanswered: int = 0
    is_ended: bool = False

    async def messages(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The messages of the call, which are noted."""
        async for message in requests:
            self.checks = 0
            self.unanswered += 1
            yield message

    def answered(self) -> None:
        """Notes an answer."""
        self.checks = 0
        self.unanswered -= 1


def silent_streams(streams: Iterable[Stream], checks: int, count: int) -> list[Stream]:
    """Some that said nothing for more than so many checks: at least so many, where there are.

    What gRPC reads for one connection is given back when all calls that it was for have ended, so all silent ones of a
    connection are among them or none; the connection with most comes first, for who has one stream alone is no attack,
    and of these the one that is silent for longest. Those that wait for an answer are taken last.
    """
    found: dict[tuple[bool, str], list[Stream]] = defaultdict(list)
    for stream in streams:
        if stream.checks > checks and not stream.is_ended:
            found[stream.unanswered > 0, stream.peer].append(stream)
    chosen: list[Stream] = []
    order = sorted(found, key=lambda key: (key[0], -len(found[key]), -max(stream.checks for stream in found[key])))
    for key in order:
        if len(chosen) >= count:
            break
        chosen += found[key]
    return chosen
