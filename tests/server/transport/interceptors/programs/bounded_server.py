"""Serves a method with one message and one with a stream, within 200 MB of memory in use; prints its port."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc

from panope_server.transport.grpc.options import server_options
from panope_server.transport.interceptors.arrival import ArrivalInterceptor, Arrivals


class Echo(grpc.GenericRpcHandler):
    """Answers with what it is told."""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        async def once(request: bytes, _: object) -> bytes:
            return request

        async def each(requests: AsyncIterator[bytes], _: object) -> AsyncIterator[bytes]:
            async for request in requests:
                yield request

        if details.method == "/x.Echo/Once":
            return grpc.unary_unary_rpc_method_handler(once)
        return grpc.stream_stream_rpc_method_handler(each)


async def main() -> None:
    arrivals = ArrivalInterceptor(Arrivals(200 << 20, 16 << 20))
    server = grpc.aio.server(interceptors=[arrivals], options=server_options(16 << 20))
    server.add_generic_rpc_handlers([Echo()])
    sys.stdout.write(f"{server.add_insecure_port('127.0.0.1:0')}\n")
    sys.stdout.flush()
    await server.start()
    await server.wait_for_termination()


asyncio.run(main())
