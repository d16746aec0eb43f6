"""The connection that all calls share: its channel, its stubs and its retries."""

# ruff: noqa: ASYNC109 -- `timeout` is the call's deadline, which the server must know; cancelling here would not tell it

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeVar

import grpc
from grpc_health.v1 import health_pb2_grpc

from panope.v1.alias_service_pb2_grpc import AliasServiceStub
from panope.v1.cache_service_pb2_grpc import CacheServiceStub
from panope.v1.classify_service_pb2_grpc import ClassifyServiceStub
from panope.v1.depth_service_pb2_grpc import DepthServiceStub
from panope.v1.detect_service_pb2_grpc import DetectServiceStub
from panope.v1.embed_service_pb2_grpc import EmbedServiceStub
from panope.v1.generate_service_pb2_grpc import GenerateServiceStub
from panope.v1.generation_job_service_pb2_grpc import GenerationJobServiceStub
from panope.v1.image_service_pb2_grpc import ImageServiceStub
from panope.v1.infer_service_pb2_grpc import InferServiceStub
from panope.v1.job_service_pb2_grpc import JobServiceStub
from panope.v1.key_service_pb2_grpc import KeyServiceStub
from panope.v1.ocr_service_pb2_grpc import OcrServiceStub
from panope.v1.registry_service_pb2_grpc import RegistryServiceStub
from panope.v1.rerank_service_pb2_grpc import RerankServiceStub
from panope.v1.segment_service_pb2_grpc import SegmentServiceStub
from panope.v1.speech_service_pb2_grpc import SpeechServiceStub
from panope.v1.text_service_pb2_grpc import TextServiceStub
from panope.v1.usage_service_pb2_grpc import UsageServiceStub
from panope.v1.video_service_pb2_grpc import VideoServiceStub
from panope_client.aio.concurrency import Method, RpcError, failure_of, open_channel, sleep
from panope_client.arguments import (
    Priority,
    check_address,
    check_api_key,
    check_metadata,
    check_priority,
    check_seconds,
)
from panope_client.hardware import HEADER as HARDWARE
from panope_client.hardware import hardware_metadata
from panope_client.retry import Retries, RetryPolicy

Request = TypeVar("Request")
Response = TypeVar("Response")


class AsyncConnection:
    """A connection to one server; for the arguments see `AsyncClient`."""

    def __init__(
        self,
        address: str = "localhost:8001",
        *,
        credentials: grpc.ChannelCredentials | None = None,
        api_key: str = "",
        metadata: Sequence[tuple[str, str]] = (),
        timeout: float = 60.0,
        retries: RetryPolicy | None = None,
    ) -> None:
        check_address(address)
        check_seconds("timeout", timeout)
        self._own_metadata = (*check_metadata(metadata), *check_api_key(api_key))
        self._timeout = timeout
        self._retries = Retries(retries or RetryPolicy())
        self._sleep = sleep
        self._channel = open_channel(address, credentials)
        self._embed = EmbedServiceStub(self._channel)
        self._classify = ClassifyServiceStub(self._channel)
        self._detect = DetectServiceStub(self._channel)
        self._segment = SegmentServiceStub(self._channel)
        self._depth = DepthServiceStub(self._channel)
        self._ocr = OcrServiceStub(self._channel)
        self._image = ImageServiceStub(self._channel)
        self._video = VideoServiceStub(self._channel)
        self._rerank = RerankServiceStub(self._channel)
        self._text = TextServiceStub(self._channel)
        self._generate = GenerateServiceStub(self._channel)
        self._infer = InferServiceStub(self._channel)
        self._registry = RegistryServiceStub(self._channel)
        self._jobs = JobServiceStub(self._channel)
        self._generation_jobs = GenerationJobServiceStub(self._channel)
        self._speech = SpeechServiceStub(self._channel)
        self._keys = KeyServiceStub(self._channel)
        self._aliases = AliasServiceStub(self._channel)
        self._cache = CacheServiceStub(self._channel)
        self._usage = UsageServiceStub(self._channel)
        self._health = health_pb2_grpc.HealthStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection and every call that is still running on it."""
        await self._channel.close()

    @property
    def _metadata(self) -> tuple[tuple[str, str], ...]:
        """What is sent with each call, with the hardware that is asked for now."""
        asked = hardware_metadata()
        return (*(pair for pair in self._own_metadata if not asked or pair[0] != HARDWARE), *asked)

    def _metadata_of(self, priority: Priority | None) -> tuple[tuple[str, str], ...]:
        """The metadata of a call of that priority, which counts before one of the client's metadata."""
        own = check_priority(priority)
        said = {key for key, _ in own}
        return (*(pair for pair in self._metadata if pair[0] not in said), *own)

    async def _call(
        self,
        method: Method[Request, Response],
        request: Request,
        timeout: float | None,
        priority: Priority | None = None,
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> Response:
        """Calls a method, again where the server says that time helps, within `timeout` seconds in all.

        `metadata` is beside what all calls have.

        Raises:
            PanopeClientError: the call failed.
        """
        metadata = (*self._metadata_of(priority), *metadata)
        attempts = self._retries.start(self._timeout if timeout is None else timeout)
        while True:
            try:
                return await method(request, timeout=attempts.timeout(), metadata=metadata)
            except RpcError as error:
                failure = failure_of(error)
                wait = attempts.wait_after(failure)
                if wait is None:
                    raise failure from error
            await self._sleep(wait)
