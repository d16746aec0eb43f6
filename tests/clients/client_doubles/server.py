"""The fake server."""

# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as aio_health

from client_doubles.alias_servicer import AliasServicer
from client_doubles.cache_servicer import CacheServicer
from client_doubles.calls import Context
from client_doubles.classify_servicer import ClassifyServicer
from client_doubles.embed_servicer import EmbedServicer
from client_doubles.generate_servicer import GenerateServicer
from client_doubles.generation_job_servicer import GenerationJobServicer
from client_doubles.infer_servicer import InferServicer
from client_doubles.job_servicer import JobServicer
from client_doubles.key_servicer import KeyServicer
from client_doubles.registry_servicer import RegistryServicer
from client_doubles.text_servicer import TextServicer
from client_doubles.usage_servicer import UsageServicer
from panope.v1 import alias_service_pb2_grpc as alias_grpc
from panope.v1 import cache_service_pb2_grpc as cache_grpc
from panope.v1 import classify_service_pb2_grpc as classify_grpc
from panope.v1 import depth_service_pb2_grpc as depth_grpc
from panope.v1 import detect_service_pb2_grpc as detect_grpc
from panope.v1 import embed_service_pb2_grpc as embed_grpc
from panope.v1 import generate_service_pb2_grpc as generate_grpc
from panope.v1 import generation_job_service_pb2_grpc as generation_job_grpc
from panope.v1 import image_service_pb2_grpc as image_grpc
from panope.v1 import infer_service_pb2_grpc as infer_grpc
from panope.v1 import job_service_pb2_grpc as job_grpc
from panope.v1 import key_service_pb2_grpc as key_grpc
from panope.v1 import ocr_service_pb2_grpc as ocr_grpc
from panope.v1 import registry_service_pb2_grpc as registry_grpc
from panope.v1 import rerank_service_pb2_grpc as rerank_grpc
from panope.v1 import segment_service_pb2_grpc as segment_grpc
from panope.v1 import text_service_pb2_grpc as text_grpc
from panope.v1 import usage_service_pb2_grpc as usage_grpc


class HealthServicer(aio_health.HealthServicer):
    """gRPC's own, which tells when someone begins to watch."""

    def __init__(self) -> None:
        super().__init__()
        self.watched = asyncio.Semaphore(0)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:
        self.watched.release()
        await super().Watch(request, context)


@dataclass
class FakeServer(
    EmbedServicer,
    ClassifyServicer,
    TextServicer,
    GenerateServicer,
    InferServicer,
    RegistryServicer,
    JobServicer,
    GenerationJobServicer,
    UsageServicer,
    KeyServicer,
    AliasServicer,
    CacheServicer,
):
    """A server of one model, for all that clients ask.

    Attributes:
        health: gRPC's health service; everything serves until told otherwise.
    """

    health: HealthServicer = field(default_factory=HealthServicer)

    async def serve(self, address: str, **options: Any) -> grpc.aio.Server:
        """Starts the server at an address, with options of gRPC's such as `max_receive_message_length`."""
        server = grpc.aio.server(options=[(f"grpc.{name}", value) for name, value in options.items()])
        alias_grpc.add_AliasServiceServicer_to_server(self, server)
        cache_grpc.add_CacheServiceServicer_to_server(self, server)
        key_grpc.add_KeyServiceServicer_to_server(self, server)
        classify_grpc.add_ClassifyServiceServicer_to_server(self, server)
        text_grpc.add_TextServiceServicer_to_server(self, server)
        rerank_grpc.add_RerankServiceServicer_to_server(self, server)
        detect_grpc.add_DetectServiceServicer_to_server(self, server)
        image_grpc.add_ImageServiceServicer_to_server(self, server)
        depth_grpc.add_DepthServiceServicer_to_server(self, server)
        segment_grpc.add_SegmentServiceServicer_to_server(self, server)
        ocr_grpc.add_OcrServiceServicer_to_server(self, server)
        embed_grpc.add_EmbedServiceServicer_to_server(self, server)
        generate_grpc.add_GenerateServiceServicer_to_server(self, server)
        infer_grpc.add_InferServiceServicer_to_server(self, server)
        job_grpc.add_JobServiceServicer_to_server(self, server)
        generation_job_grpc.add_GenerationJobServiceServicer_to_server(self, server)
        usage_grpc.add_UsageServiceServicer_to_server(self, server)
        registry_grpc.add_RegistryServiceServicer_to_server(self, server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, server)
        server.add_insecure_port(address)
        await server.start()
        return server
