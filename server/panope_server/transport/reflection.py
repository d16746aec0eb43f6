"""Server reflection, v1 and v1alpha, so that grpcurl needs no proto files.

The library offers v1alpha alone; v1 has the same messages under another service name.
"""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

V1 = "grpc.reflection.v1.ServerReflection"


def add_reflection(services: Sequence[str], server: grpc.aio.Server) -> None:
    """Serves the descriptors of `services` and of reflection itself."""
    servicer = reflection.aio.ReflectionServicer([*services, reflection.SERVICE_NAME])
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(V1, {"ServerReflectionInfo": handler})])
