"""The gRPC services that a server offers: the public ones, those behind the REST routes, health and reflection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

import grpc
from grpc_health.v1 import health_pb2

from panope.v1 import (
    alias_service_pb2,
    cache_service_pb2,
    classify_service_pb2,
    depth_service_pb2,
    detect_service_pb2,
    embed_service_pb2,
    generate_service_pb2,
    generation_job_service_pb2,
    image_service_pb2,
    infer_service_pb2,
    job_service_pb2,
    key_service_pb2,
    ocr_service_pb2,
    registry_service_pb2,
    rerank_service_pb2,
    segment_service_pb2,
    speech_service_pb2,
    text_service_pb2,
    usage_service_pb2,
    video_service_pb2,
)
from panope_server.transport.grpc.generation.servicer import GenerateServicer
from panope_server.transport.grpc.infer_servicer import InferServicer
from panope_server.transport.grpc.reflection import add_reflection
from panope_server.transport.grpc.registry.alias_servicer import AliasServicer
from panope_server.transport.grpc.registry.cache_servicer import CacheServicer
from panope_server.transport.grpc.registry.job_servicer import JobServicer
from panope_server.transport.grpc.registry.key_servicer import KeyServicer
from panope_server.transport.grpc.registry.registry_servicer import RegistryServicer
from panope_server.transport.grpc.registry.usage_servicer import UsageServicer
from panope_server.transport.grpc.speech.servicer import SpeechServicer
from panope_server.transport.grpc.texts.classify_servicer import ClassifyServicer
from panope_server.transport.grpc.texts.embed_servicer import EmbedServicer
from panope_server.transport.grpc.texts.rerank_servicer import RerankServicer
from panope_server.transport.grpc.texts.text_servicer import TextServicer
from panope_server.transport.grpc.vision.depth_servicer import DepthServicer
from panope_server.transport.grpc.vision.detect_servicer import DetectServicer
from panope_server.transport.grpc.vision.image_servicer import ImageServicer
from panope_server.transport.grpc.vision.job_servicer import GenerationJobServicer
from panope_server.transport.grpc.vision.ocr_servicer import OcrServicer
from panope_server.transport.grpc.vision.segment_servicer import SegmentServicer
from panope_server.transport.grpc.vision.video_servicer import VideoServicer
from panope_server.transport.rest.classification.servicer import ClassificationServicer
from panope_server.transport.rest.depth.servicer import DepthEstimationServicer
from panope_server.transport.rest.detection.servicer import DetectionServicer
from panope_server.transport.rest.generation_jobs.servicer import GenerationJobRestServicer
from panope_server.transport.rest.hugging_face.servicer import HuggingFaceServicer
from panope_server.transport.rest.image_generation.servicer import ImageGenerationServicer
from panope_server.transport.rest.ocr.servicer import OcrRestServicer
from panope_server.transport.rest.openai.generation_servicer import OpenAiGenerationServicer
from panope_server.transport.rest.openai.servicer import OpenAiServicer
from panope_server.transport.rest.openai.videos.servicer import OpenAiVideoServicer
from panope_server.transport.rest.panope.alias_servicer import AliasRestServicer
from panope_server.transport.rest.panope.job_servicer import JobRestServicer
from panope_server.transport.rest.panope.registry_servicer import RegistryRestServicer
from panope_server.transport.rest.panope.servicer import PanopeServicer
from panope_server.transport.rest.panope.usage_servicer import UsageRestServicer
from panope_server.transport.rest.segmentation.servicer import SegmentationServicer
from panope_server.transport.rest.speech.servicer import SpeechRestServicer
from panope_server.transport.rest.super_resolution.servicer import SuperResolutionServicer
from panope_server.transport.rest.text_embeddings.servicer import TextEmbeddingsServicer
from panope_server.transport.rest.text_generation.servicer import TextGenerationServicer
from panope_server.transport.rest.video.servicer import VideoRestServicer
from panope_server.transport.services import Services

PUBLIC_SERVICES: list[str] = [
    alias_service_pb2.DESCRIPTOR.services_by_name["AliasService"].full_name,
    cache_service_pb2.DESCRIPTOR.services_by_name["CacheService"].full_name,
    classify_service_pb2.DESCRIPTOR.services_by_name["ClassifyService"].full_name,
    depth_service_pb2.DESCRIPTOR.services_by_name["DepthService"].full_name,
    detect_service_pb2.DESCRIPTOR.services_by_name["DetectService"].full_name,
    embed_service_pb2.DESCRIPTOR.services_by_name["EmbedService"].full_name,
    generate_service_pb2.DESCRIPTOR.services_by_name["GenerateService"].full_name,
    generation_job_service_pb2.DESCRIPTOR.services_by_name["GenerationJobService"].full_name,
    image_service_pb2.DESCRIPTOR.services_by_name["ImageService"].full_name,
    infer_service_pb2.DESCRIPTOR.services_by_name["InferService"].full_name,
    job_service_pb2.DESCRIPTOR.services_by_name["JobService"].full_name,
    key_service_pb2.DESCRIPTOR.services_by_name["KeyService"].full_name,
    ocr_service_pb2.DESCRIPTOR.services_by_name["OcrService"].full_name,
    registry_service_pb2.DESCRIPTOR.services_by_name["RegistryService"].full_name,
    rerank_service_pb2.DESCRIPTOR.services_by_name["RerankService"].full_name,
    segment_service_pb2.DESCRIPTOR.services_by_name["SegmentService"].full_name,
    speech_service_pb2.DESCRIPTOR.services_by_name["SpeechService"].full_name,
    text_service_pb2.DESCRIPTOR.services_by_name["TextService"].full_name,
    usage_service_pb2.DESCRIPTOR.services_by_name["UsageService"].full_name,
    video_service_pb2.DESCRIPTOR.services_by_name["VideoService"].full_name,
]
HEALTH_SERVICE: str = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name


class _Servicer(Protocol):
    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None: ...


SERVICERS: tuple[type[_Servicer], ...] = (
    EmbedServicer,
    ClassifyServicer,
    DetectServicer,
    SegmentServicer,
    DepthServicer,
    OcrServicer,
    ImageServicer,
    VideoServicer,
    RerankServicer,
    TextServicer,
    GenerateServicer,
    SpeechServicer,
    InferServicer,
    RegistryServicer,
    AliasServicer,
    JobServicer,
    GenerationJobServicer,
    UsageServicer,
    KeyServicer,
    CacheServicer,
    OpenAiServicer,
    OpenAiGenerationServicer,
    HuggingFaceServicer,
    SpeechRestServicer,
    ClassificationServicer,
    DetectionServicer,
    SegmentationServicer,
    DepthEstimationServicer,
    OcrRestServicer,
    SuperResolutionServicer,
    ImageGenerationServicer,
    VideoRestServicer,
    GenerationJobRestServicer,
    OpenAiVideoServicer,
    TextEmbeddingsServicer,
    TextGenerationServicer,
    PanopeServicer,
    RegistryRestServicer,
    AliasRestServicer,
    JobRestServicer,
    UsageRestServicer,
)


def add_services(server: grpc.aio.Server, services: Services) -> None:
    """Adds every service to a server that has not started."""
    target = cast("grpc.aio.Server", GenericHandlers(server))
    for servicer in SERVICERS:
        servicer.add_to(target, services)
    services.health.add_to(target)
    add_reflection([*PUBLIC_SERVICES, HEALTH_SERVICE], target)


class GenericHandlers:
    """A server as generated code adds services to it; it registers no method by name.

    For each registered method `grpc.aio` keeps a future of its next call, and waits for all of these futures anew at
    every call: with seventy methods that is a tenth of the server's time. Handlers are found by name all the same.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Adds the handlers of a service."""
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, object]) -> None:
        """Leaves the methods unregistered."""
