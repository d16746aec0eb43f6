"""The calls with a stream of messages, and which of them end first when memory is short."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

from panope_backends.errors import OverloadedError


def short_of_memory() -> OverloadedError:
    """What the callers hear whose messages do not come."""
    told = "the server is short of memory, and no message of the call came for more than a second"
    return OverloadedError(told, retry_after_seconds=1.0)


@dataclass(eq=False, slots=True)
class Stream:
    """One call.

    As in `RunningCalls`, its task is not cancelled while gRPC sends for it: it would end without a status.

    Attributes:
        task: answers it.
        peer: the connection that it came by.
        checks: since its last message or answer.
        unanswered: messages that came, less answers that were taken.
        is_ended: whether it was told to end.
        sending: what gRPC may be sending for it: its headers, until it asks for a message, and an answer.
    """

    task: asyncio.Task[Any]
    peer: str
    checks: int = 0
    unanswered: int = 0
    is_ended: bool = False
    sending: int = 1

    async def messages(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The messages of the call, which are noted; OverloadedError where it was told to end before."""
        self._sent()
        async for message in requests:
            self.checks = 0
            self.unanswered += 1
            yield message

    def answer(self) -> None:
        """An answer is sent from here on."""
        self.sending += 1

    def answered(self) -> None:
        """Notes that it was sent; OverloadedError where the call was told to end meanwhile."""
        self.checks = 0
        self.unanswered -= 1
        self._sent()

    def end(self) -> None:
        """Tells the call to end: now, or once what it sends has been sent."""
        self.is_ended = True
        if not self.sending:
            self.task.cancel()

    def _sent(self) -> None:
        if self.is_ended:
            raise short_of_memory()
        self.sending -= 1


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
