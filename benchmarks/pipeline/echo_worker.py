"""A worker that answers every embed request at once with one fixed vector, so that what is measured is the server."""

from __future__ import annotations

import socket
import sys
import threading
import time

import numpy as np

from panope.worker.v1 import embed_pb2
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.wire.frames import FrameDecoder, encode_frame

DIMENSIONS = 384
TOKENS = 24

_VECTOR = np.linspace(-0.1, 0.1, DIMENSIONS, dtype="<f4").tobytes()
_OUTPUT = embed_pb2.EmbedOutput(vectors=_VECTOR, dimensions=DIMENSIONS, token_counts=[TOKENS]).SerializeToString()
_FACTS = embed_pb2.EmbedFacts(dimensions=DIMENSIONS, max_tokens=256, pooling="mean", normalize=True)


def answer(frames: list[wire.ServerFrame]) -> bytes:
    """The frames that answer those that came together."""
    told = b""
    parts = []
    for frame in frames:
        match frame.WhichOneof("body"):
            case "load":
                ready = wire.Ready(facts=_FACTS.SerializeToString(), precision="bf16", batching="any")
                told += encode_frame(wire.WorkerFrame(ready=ready))
            case "request":
                timing = wire.Timing(tokenize_microseconds=1, run_microseconds=1, batch_size=len(frames))
                parts.append(wire.Part(id=frame.id, output=_OUTPUT, last=True, timing=timing))
            case "drain":
                sys.exit()
    return told + (encode_frame(wire.WorkerFrame(parts=parts)) if parts else b"")


def main() -> None:
    """Answers until the server ends it."""
    connection = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))

    def beat() -> None:
        while True:
            time.sleep(1)
            connection.sendall(encode_frame(wire.WorkerFrame(heartbeat=wire.Heartbeat(resident_bytes=1))))

    threading.Thread(target=beat, daemon=True).start()
    decoder = FrameDecoder()
    while data := connection.recv(1 << 18):
        connection.sendall(answer([wire.ServerFrame.FromString(message) for message in decoder.feed(data)]))


if __name__ == "__main__":
    main()
