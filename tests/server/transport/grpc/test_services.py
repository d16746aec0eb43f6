from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import grpc

from panope.v1 import embed_service_pb2_grpc as pb_grpc
from panope_server.transport.grpc.services import GenericHandlers


class ServerDouble:
    """Keeps what is added to it."""

    def __init__(self) -> None:
        self.generic: list[Any] = []
        self.registered: list[str] = []

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        self.generic.extend(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        self.registered.append(service)


def test_methods_are_found_by_name_and_none_is_registered() -> None:
    server = ServerDouble()
    target = cast("grpc.aio.Server", GenericHandlers(cast("grpc.aio.Server", server)))
    pb_grpc.add_EmbedServiceServicer_to_server(pb_grpc.EmbedServiceServicer(), target)
    details = SimpleNamespace(method="/panope.v1.EmbedService/Embed", invocation_metadata=())
    assert server.generic[0].service(details) is not None
    assert server.registered == []
