"""The worker's side of a divided model: starts a process for each other part, and ends with them.

A step is a product that all processes share, so a process that is gone leaves the others waiting in it for ever. The
worker therefore ends as soon as a peer does, and the server starts all of them again; a peer ends with its worker.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from panope.worker.v1 import tensor_parallel_pb2 as wire
from panope_backends.engines.torch.tensor_parallel import channel
from panope_backends.errors import BY_REASON, InternalError, PreconditionError

PROGRAM = "panope_backends.programs.model_part"
END_SECONDS = 10.0
"""In which a peer ends by itself."""

EXIT_PEER_GONE = 5

_log = logging.getLogger(__name__)


class Peers:
    """The peers of this process.

    Args:
        loads: what each is to load, in the order of their ranks.
    """

    def __init__(self, loads: Sequence[wire.PeerLoad]) -> None:
        self._closing = False
        self._peers: list[_Peer] = []
        try:
            for load in loads:
                self._peers.append(_Peer(load, self._gone))
        except OSError as error:
            self.close()
            raise PreconditionError("a process for a part of the model cannot be started") from error

    def tell(self, command: wire.PeerCommand) -> None:
        """Has all peers do something, without waiting for it."""
        for peer in self._peers:
            peer.tell(command)

    def wait(self) -> list[wire.PeerAnswer]:
        """Waits for what each peer says of what it was told last.

        Raises:
            PanopeError: of the first that could not do it; all have answered.
        """
        answers = [peer.answer() for peer in self._peers]
        for answer in answers:
            if answer.message:
                kind = BY_REASON.get(answer.kind, InternalError)
                raise kind(answer.message, reason=answer.reason)
        return answers

    @property
    def pids(self) -> list[int]:
        """Of their processes."""
        return [peer.pid for peer in self._peers]

    def close(self) -> None:
        """Ends them."""
        self._closing = True
        for peer in self._peers:
            peer.close()

    def _gone(self, rank: int) -> None:
        """Called by a thread of its own when a peer's process has ended without being asked to."""
        if not self._closing:
            _log.error("part %d of the model has ended, and with it the others", rank)
            # No thread can be called back from a step that waits for it.
            os._exit(EXIT_PEER_GONE)


class _Peer:
    """One peer."""

    def __init__(self, load: wire.PeerLoad, gone: Callable[[int], None]) -> None:
        mine, its = socket.socketpair()
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-m", PROGRAM, "--fd", str(its.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
                pass_fds=(its.fileno(),),
            )
        self._rank, self._gone = load.rank, gone
        self._connection = mine
        self._answers: queue.SimpleQueue[wire.PeerAnswer | None] = queue.SimpleQueue()
        self._refused = False
        threading.Thread(target=self._read, name=f"peer-{load.rank}", daemon=True).start()
        self.tell(wire.PeerCommand(load=load))

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, command: wire.PeerCommand) -> None:
        try:
            channel.send(self._connection, command)
        except OSError:  # the thread that reads sees it too
            _log.warning("part %d of the model takes no more commands", self._rank)

    def answer(self) -> wire.PeerAnswer:
        answer = self._answers.get()
        if answer is None:
            raise InternalError(f"part {self._rank} of the model has ended")
        return answer

    def close(self) -> None:
        with suppress(OSError):  # it has gone already
            # Closing alone would tell it nothing while the thread here still reads.
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        for answer in channel.received(self._connection, wire.PeerAnswer):
            self._answers.put(answer)
            self._refused = self._refused or bool(answer.message)
        self._answers.put(None)
        if not self._refused:  # else whoever waits for the answer hears why
            self._gone(self._rank)
