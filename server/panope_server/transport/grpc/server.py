"""The gRPC server: its services, limits and ports."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from panope.rest.v1 import alias_service_pb2_grpc as rest_alias_service_pb2_grpc
from panope.rest.v1 import (
    hugging_face_service_pb2_grpc,
    openai_service_pb2_grpc,
    panope_service_pb2_grpc,
    text_embeddings_service_pb2_grpc,
)
from panope.rest.v1 import job_service_pb2_grpc as rest_job_service_pb2_grpc
from panope.rest.v1 import registry_service_pb2_grpc as rest_registry_service_pb2_grpc
from panope.v1 import (
    alias_service_pb2,
    alias_service_pb2_grpc,
    embed_service_pb2,
    embed_service_pb2_grpc,
    infer_service_pb2,
    infer_service_pb2_grpc,
    job_service_pb2,
    job_service_pb2_grpc,
    registry_service_pb2,
    registry_service_pb2_grpc,
)
from panope_backends.errors import PreconditionError
from panope_server.config import Settings
from panope_server.transport.grpc.alias_servicer import AliasServicer
from panope_server.transport.grpc.embed_servicer import EmbedServicer
from panope_server.transport.grpc.health import Health
from panope_server.transport.grpc.infer_servicer import InferServicer
from panope_server.transport.grpc.job_servicer import JobServicer
from panope_server.transport.grpc.reflection import add_reflection
from panope_server.transport.grpc.registry_servicer import RegistryServicer
from panope_server.transport.grpc.running import RunningCalls
from panope_server.transport.interfaces import Acquisition, Aliases, Jobs, Keeper, Models, Pipeline
from panope_server.transport.rest.hugging_face.servicer import HuggingFaceServicer
from panope_server.transport.rest.openai.servicer import OpenAiServicer
from panope_server.transport.rest.panope.alias_servicer import AliasRestServicer
from panope_server.transport.rest.panope.job_servicer import JobRestServicer
from panope_server.transport.rest.panope.registry_servicer import RegistryRestServicer
from panope_server.transport.rest.panope.servicer import PanopeServicer
from panope_server.transport.rest.text_embeddings.servicer import TextEmbeddingsServicer

PUBLIC_SERVICES: list[str] = [
    alias_service_pb2.DESCRIPTOR.services_by_name["AliasService"].full_name,
    embed_service_pb2.DESCRIPTOR.services_by_name["EmbedService"].full_name,
    infer_service_pb2.DESCRIPTOR.services_by_name["InferService"].full_name,
    job_service_pb2.DESCRIPTOR.services_by_name["JobService"].full_name,
    registry_service_pb2.DESCRIPTOR.services_by_name["RegistryService"].full_name,
]
HEALTH_SERVICE: str = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

#: 2,048 vectors of 4,096 dimensions are 92 MB of JSON.
MAX_SEND_BYTES = 256 << 20
MAX_METADATA_BYTES = 16 << 10

#: When no call has run for so long, what is left on the connections is half-sent.
QUIET_SECONDS = 1.0

#: The edge refuses bodies past the limit itself; ours is a little higher so that its clearer answer comes first.
RECEIVE_HEADROOM_BYTES = 1 << 16


class GrpcServer:
    """Serves every gRPC method of Panope on a TCP port and, for Envoy, on a Unix socket."""

    def __init__(
        self,
        settings: Settings,
        pipeline: Pipeline,
        models: Models,
        acquisition: Acquisition,
        jobs: Jobs,
        aliases: Aliases,
        keeper: Keeper,
        health: Health,
        calls: RunningCalls,
        interceptors: Sequence[grpc.aio.ServerInterceptor],
    ) -> None:
        self._settings = settings
        self._health = health
        report = settings.unknown_fields == "report"
        self._calls = calls
        limits = _options(settings.limits.max_message_bytes)
        # Two servers, for they end at different times: Envoy's when Envoy has nothing more to pass on.
        self._public = grpc.aio.server(interceptors=interceptors, options=limits)
        self._edge = grpc.aio.server(interceptors=interceptors, options=limits)
        for server in (self._public, self._edge):
            embed_service_pb2_grpc.add_EmbedServiceServicer_to_server(EmbedServicer(pipeline), server)
            infer_service_pb2_grpc.add_InferServiceServicer_to_server(InferServicer(pipeline), server)
            registry_service_pb2_grpc.add_RegistryServiceServicer_to_server(
                RegistryServicer(models, acquisition, keeper), server
            )
            alias_service_pb2_grpc.add_AliasServiceServicer_to_server(AliasServicer(aliases), server)
            rest_alias_service_pb2_grpc.add_AliasServiceServicer_to_server(AliasRestServicer(aliases), server)
            job_service_pb2_grpc.add_JobServiceServicer_to_server(JobServicer(jobs), server)
            rest_job_service_pb2_grpc.add_JobServiceServicer_to_server(JobRestServicer(jobs), server)
            rest_registry_service_pb2_grpc.add_RegistryServiceServicer_to_server(
                RegistryRestServicer(acquisition, keeper), server
            )
            openai_service_pb2_grpc.add_OpenAiServiceServicer_to_server(
                OpenAiServicer(pipeline, models, report_unknown=report), server
            )
            hugging_face_service_pb2_grpc.add_HuggingFaceServiceServicer_to_server(
                HuggingFaceServicer(pipeline, models, report_unknown=report), server
            )
            panope_service_pb2_grpc.add_PanopeServiceServicer_to_server(
                PanopeServicer(pipeline, models, report_unknown=report), server
            )
            text_embeddings_service_pb2_grpc.add_TextEmbeddingsServiceServicer_to_server(
                TextEmbeddingsServicer(pipeline, models, settings), server
            )
            health_pb2_grpc.add_HealthServicer_to_server(health, server)
            add_reflection([*PUBLIC_SERVICES, HEALTH_SERVICE], server)

    async def start(self, socket_path: Path) -> None:
        """Begins to serve.

        Raises:
            PreconditionError: the TCP port is not free.
        """
        address = f"{self._settings.host}:{self._settings.grpc_port}"
        try:
            bound = self._public.add_insecure_port(address)
        except RuntimeError:
            bound = 0
        if bound == 0:
            raise PreconditionError(
                f"cannot listen for gRPC on {address}: the port is taken or the address is not ours",
                reason="port_taken",
            )
        self._edge.add_insecure_port(f"unix:{socket_path}")
        await self._public.start()
        await self._edge.start()
        self._health.start()

    async def drain(self, grace_seconds: float) -> None:
        """Closes the TCP port, tells its connections to end (GOAWAY) and returns when the last call has ended.

        Args:
            grace_seconds: the longest time; calls that take longer are cancelled.
        """
        ending = asyncio.ensure_future(self._public.stop(grace_seconds))
        quiet = asyncio.ensure_future(self._calls.quiet(QUIET_SECONDS))
        await asyncio.wait((ending, quiet), return_when=asyncio.FIRST_COMPLETED)
        quiet.cancel()
        # What is left then are half-sent requests.
        await self._public.stop(None)
        await ending

    async def stop(self) -> None:
        """Ends at once what is left."""
        await self._public.stop(None)
        await self._edge.stop(None)


def _options(max_message_bytes: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", max_message_bytes + RECEIVE_HEADROOM_BYTES),
        ("grpc.max_send_message_length", MAX_SEND_BYTES),
        # With the default, a second server would share the port in silence.
        ("grpc.so_reuseport", 0),
        # Between the soft and the hard limit gRPC drops requests at random, so both are the same.
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.max_concurrent_streams", 1024),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Long calls of clients with keepalive of their own must not end with "too many pings".
        # Clients ping every 10 s at the soonest; half of it, for clocks and networks jitter.
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.server_handshake_timeout_ms", 10_000),
        # Clients connect again by themselves.
        ("grpc.max_connection_idle_ms", 15 * 60_000),
    ]
