"""Begins answers and never ends them; prints its port, and a line when it is called."""

# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc

from panope.v1 import generate_service_pb2 as pb
from panope.v1 import generate_service_pb2_grpc as pb_grpc


class Generator(pb_grpc.GenerateServiceServicer):
    """Says `a ` and no more."""

    async def StreamGenerate(self, request: pb.StreamGenerateRequest, _: Any) -> AsyncIterator[Any]:
        _print("called")
        yield pb.StreamGenerateResponse(model=request.request.model, deltas=[pb.Completion(text="a ")])
        await asyncio.Event().wait()


def _print(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main() -> None:
    server = grpc.aio.server()
    pb_grpc.add_GenerateServiceServicer_to_server(Generator(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    _print(port)
    await stopped.wait()
    await server.stop(0.1)


asyncio.run(main())
