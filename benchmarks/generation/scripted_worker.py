"""A worker that makes up the tokens of all its streams, a step at a time, so that what is measured is the server.

A step is one frame with a part for each stream, as the workers of models send it. The program takes the place of the
workers' own (`benchmarks.pipeline.server_cost.interpreter`).
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable

from panope.worker.v1 import generate_pb2
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.wire.frames import FrameDecoder, encode_frame

STEP_SECONDS = 0.02
SLOTS = 64

_FACTS = generate_pb2.GenerateFacts(
    max_positions=1 << 20, vocab_size=30_000, slots=SLOTS, honoured=["ignore_eos", "token_ids"]
)
_PIECE = generate_pb2.GenerateOutput(deltas=[generate_pb2.GenerateDelta(text=" word", token_ids=[1234])])


class Streams:
    """The requests that run; a thread reads them and another one answers."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._left: dict[int, int] = {}
        self._tokens: dict[int, int] = {}

    def send(self, frame: wire.WorkerFrame) -> None:
        """From any thread."""
        with self._lock:
            self._connection.sendall(encode_frame(frame))

    def start(self, frame: wire.ServerFrame) -> None:
        """Takes a request."""
        count = generate_pb2.GenerateInput.FromString(frame.request.input).max_tokens
        self._tokens[frame.id] = count
        self._left[frame.id] = count

    def cancel(self, number: int) -> None:
        """Forgets a request."""
        self._left.pop(number, None)

    def step(self) -> None:
        """A token of every stream."""
        parts = [self._part(number) for number in list(self._left)]
        if parts:
            self.send(wire.WorkerFrame(parts=parts))

    def _part(self, number: int) -> wire.Part:
        self._left[number] -= 1
        if self._left[number]:
            return wire.Part(id=number, output=_PIECE.SerializeToString(), device_microseconds=10)
        del self._left[number]
        output = generate_pb2.GenerateOutput()
        output.CopyFrom(_PIECE)
        output.deltas[0].finish_reason = "length"
        output.usage.prompt_tokens, output.usage.completion_tokens = 8, self._tokens.pop(number)
        timing = wire.Timing(run_microseconds=1, batch_size=1)
        return wire.Part(id=number, output=output.SerializeToString(), last=True, timing=timing)


def _every(seconds: float, run: Callable[[], None]) -> None:
    def repeat() -> None:
        while True:
            time.sleep(seconds)
            run()

    threading.Thread(target=repeat, daemon=True).start()


def main() -> None:
    """Answers until the server ends it."""
    connection = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
    streams, decoder = Streams(connection), FrameDecoder()
    _every(1.0, lambda: streams.send(wire.WorkerFrame(heartbeat=wire.Heartbeat(resident_bytes=1))))
    _every(STEP_SECONDS, streams.step)
    while data := connection.recv(1 << 18):
        for message in decoder.feed(data):
            frame = wire.ServerFrame.FromString(message)
            match frame.WhichOneof("body"):
                case "load":
                    facts = _FACTS.SerializeToString()
                    ready = wire.Ready(facts=facts, precision="fp32", slots=SLOTS)
                    streams.send(wire.WorkerFrame(ready=ready))
                case "request":
                    streams.start(frame)
                case "cancel":
                    streams.cancel(frame.id)
                case "drain":
                    return


if __name__ == "__main__":
    main()
