"""Server reflection, v1 and v1alpha, so that grpcurl and ghz need no proto files.

The library offers v1alpha alone; v1 has the same messages under another service name. Nor does the library find what
stands inside a service or a message, such as `panope.v1.EmbedService.Embed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import grpc
from google.protobuf import descriptor_pool
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

V1 = "grpc.reflection.v1.ServerReflection"


class Reflection(reflection.aio.ReflectionServicer):  # type: ignore[misc]  # the library's class has no types
    """The library's servicer, which finds methods and fields too."""

    def _file_containing_symbol(
        self, request: reflection_pb2.ServerReflectionRequest, fully_qualified_name: str
    ) -> reflection_pb2.ServerReflectionResponse:
        outer, _, name = fully_qualified_name.rpartition(".")
        known = fully_qualified_name if not _is_inside(outer, name) else outer
        return super()._file_containing_symbol(request, known)


def _is_inside(outer: str, name: str) -> bool:
    """Whether a service has a method of that name, or a message a field."""
    pool = descriptor_pool.Default()
    with suppress(KeyError):
        return name in pool.FindServiceByName(outer).methods_by_name
    with suppress(KeyError):
        return name in pool.FindMessageTypeByName(outer).fields_by_name
    return False


def add_reflection(services: Sequence[str], server: grpc.aio.Server) -> None:
    """Serves the descriptors of `services` and of reflection itself."""
    servicer = Reflection([*services, reflection.SERVICE_NAME])
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(V1, {"ServerReflectionInfo": handler})])
