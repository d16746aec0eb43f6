"""An event loop that turns once for all that gRPC has done meanwhile.

A thread of gRPC's queues what is done, such as that a message was sent, and for each writes a byte to a socket of the
loop's. What the loop calls then reads one byte and takes the whole queue; for each byte that is left the loop turns
again and finds nothing. A step of 32 streams sends 32 messages: up to 31 such turns, each with two system calls.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVarTuple

if TYPE_CHECKING:
    from _typeshed import HasFileno

Ts = TypeVarTuple("Ts")

#: Of gRPC's own; its name is all that is asked of it, so that a gRPC that has it no more is served as it wants.
_QUEUE = "PollerCompletionQueue"
_MOST_BYTES = 4096


class GrpcEventLoop(asyncio.SelectorEventLoop):
    """The loop of a process that serves gRPC."""

    def add_reader(self, fd: int | HasFileno, callback: Callable[[*Ts], Any], *args: *Ts) -> None:
        """Calls back when `fd` can be read, and for gRPC's queue once for all that it has."""
        if isinstance(fd, socket.socket) and is_grpcs(callback):
            super().add_reader(fd, call_once, fd, partial(callback, *args))
        else:
            super().add_reader(fd, callback, *args)


def is_grpcs(callback: Callable[..., Any]) -> bool:
    """Whether it takes all that gRPC has queued."""
    method = callback.func if isinstance(callback, partial) else callback
    return type(getattr(method, "__self__", None)).__name__ == _QUEUE


def call_once(waker: socket.socket, callback: Callable[[], Any]) -> None:
    """Takes all bytes but one, which is the callback's; what they stand for was queued before them."""
    waiting = len(waker.recv(_MOST_BYTES, socket.MSG_PEEK))
    if waiting > 1:
        waker.recv(waiting - 1)
    callback()
