"""The client for asyncio; `panope_client.client` is its twin for threads and documents the calls."""

# ruff: noqa: ASYNC109 -- `timeout` is the call's deadline, which the server must know; cancelling here would not tell it

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack, overload

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from panope.v1 import embed_service_pb2 as embed_pb
from panope.v1.embed_service_pb2_grpc import EmbedServiceStub
from panope.v1.infer_service_pb2_grpc import InferServiceStub
from panope.v1.job_service_pb2_grpc import JobServiceStub
from panope.v1.registry_service_pb2_grpc import RegistryServiceStub
from panope_client import messages
from panope_client.aio_registry_calls import AsyncRegistryCalls
from panope_client.channel import options_for
from panope_client.client import WATCH_PAUSE
from panope_client.errors import DeadlineError, PanopeClientError, error_of, not_ready
from panope_client.messages import Batch, EmbedOptions
from panope_client.results import Embeddings, Health, Tokens
from panope_client.retry import Attempts, Retries, RetryPolicy
from panope_client.tensors import Array
from panope_client.values import Json

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class AsyncClient(AsyncRegistryCalls):
    """As `Client`, for one event loop: made, used and closed inside it, by `close` or `async with`.

    A cancelled task cancels its call at the server. For the arguments see `Client`.
    """

    def __init__(
        self,
        address: str = "localhost:8001",
        *,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Sequence[tuple[str, str]] = (),
        timeout: float = 60.0,
        retries: RetryPolicy | None = None,
    ) -> None:
        options = options_for(address)
        self._channel = (
            grpc.aio.insecure_channel(address, options)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials, options)
        )
        self._embed = EmbedServiceStub(self._channel)
        self._infer = InferServiceStub(self._channel)
        self._registry = RegistryServiceStub(self._channel)
        self._jobs = JobServiceStub(self._channel)
        self._health = health_pb2_grpc.HealthStub(self._channel)
        self._metadata = tuple(metadata)
        self._timeout = timeout
        self._retries = Retries(retries or RetryPolicy())
        self._sleep = asyncio.sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection and every call that is still running on it."""
        await self._channel.close()

    async def embed(
        self, texts: Batch, model: str, *, timeout: float | None = None, **options: Unpack[EmbedOptions]
    ) -> Embeddings:
        """As `Client.embed`."""
        request = messages.embed_request(texts, model, options)
        return messages.embeddings_of(await self._call(self._embed.Embed, request, timeout))

    async def embed_many(
        self,
        texts: Iterable[str],
        model: str,
        *,
        batch_size: int = 32,
        concurrency: int = 4,
        timeout: float | None = None,
        **options: Unpack[EmbedOptions],
    ) -> Embeddings:
        """As `Client.embed_many`."""
        turns = asyncio.Semaphore(concurrency)

        async def embed(batch: Batch) -> Embeddings:
            async with turns:
                return await self.embed(batch, model, timeout=timeout, **options)

        calls = [asyncio.create_task(embed(batch)) for batch in messages.batches_of(texts, batch_size)]
        try:
            return Embeddings.joined(await asyncio.gather(*calls))
        finally:
            for call in calls:  # after a failure the others would run on
                call.cancel()

    @overload
    def embed_stream(
        self,
        batches: AsyncIterable[Batch] | Iterable[Batch],
        model: str,
        *,
        return_errors: Literal[False] = False,
        timeout: float = ...,
        **options: Unpack[EmbedOptions],
    ) -> AsyncGenerator[Embeddings, None]: ...

    @overload
    def embed_stream(
        self,
        batches: AsyncIterable[Batch] | Iterable[Batch],
        model: str,
        *,
        return_errors: Literal[True],
        timeout: float = ...,
        **options: Unpack[EmbedOptions],
    ) -> AsyncGenerator[Embeddings | PanopeClientError, None]: ...

    async def embed_stream(
        self,
        batches: AsyncIterable[Batch] | Iterable[Batch],
        model: str,
        *,
        return_errors: bool = False,
        timeout: float = math.inf,
        **options: Unpack[EmbedOptions],
    ) -> AsyncGenerator[Embeddings | PanopeClientError, None]:
        """As `Client.embed_stream`; the batches may come from an asynchronous iterable too."""
        source = messages.embed_source(batches, model, options)
        attempts = self._retries.start(timeout)
        call = self._embed.StreamEmbed(aiter(source), timeout=attempts.timeout(), metadata=self._metadata)
        answers = 0
        try:
            async for answer in call:
                result = messages.stream_result(answers, answer)
                if isinstance(result, PanopeClientError) and not return_errors:
                    raise result
                answers += 1
                yield result
        except grpc.aio.AioRpcError as error:
            raise _failure_of(error) from error
        finally:
            call.cancel()
        messages.check_stream_end(answers, source)

    async def tokenize(
        self, texts: Sequence[str], model: str, *, add_special_tokens: bool = True, timeout: float | None = None
    ) -> list[Tokens]:
        """As `Client.tokenize`."""
        request = embed_pb.TokenizeRequest(model=model, texts=texts, add_special_tokens=add_special_tokens)
        return messages.tokens_of(await self._call(self._embed.Tokenize, request, timeout))

    async def detokenize(
        self,
        sequences: Sequence[Sequence[int]],
        model: str,
        *,
        skip_special_tokens: bool = True,
        timeout: float | None = None,
    ) -> list[str]:
        """As `Client.detokenize`."""
        request = embed_pb.DetokenizeRequest(
            model=model,
            token_sequences=messages.sequences_of(sequences),
            skip_special_tokens=skip_special_tokens,
        )
        answer = await self._call(self._embed.Detokenize, request, timeout)
        return list(answer.texts)

    async def infer(
        self, inputs: Mapping[str, Array], model: str, outputs: Sequence[str] = (), *, timeout: float | None = None
    ) -> dict[str, Array]:
        """As `Client.infer`."""
        request = messages.infer_request(model, inputs, outputs)
        return messages.outputs_of(await self._call(self._infer.Infer, request, timeout))

    async def infer_value(self, value: Json, model: str, *, timeout: float | None = None) -> Any:
        """As `Client.infer_value`."""
        request = messages.value_request(model, value)
        return messages.value_of(await self._call(self._infer.Infer, request, timeout))

    async def health(self, model: str = "", *, timeout: float | None = None) -> Health:
        """As `Client.health`."""
        answer = await self._call(self._health.Check, health_pb2.HealthCheckRequest(service=model), timeout)
        return Health(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    async def wait_ready(self, timeout: float = 60.0, *, model: str = "") -> None:
        """As `Client.wait_ready`."""
        attempts = self._retries.start(timeout)
        try:
            while not await self._watch_until_serving(model, attempts):
                await self._sleep(WATCH_PAUSE)
        except DeadlineError:
            raise not_ready(model, timeout) from None

    async def _watch_until_serving(self, model: str, attempts: Attempts) -> bool:
        """Follows the health of one server; False when that server went away."""
        request = health_pb2.HealthCheckRequest(service=model)
        watch = self._health.Watch(request, timeout=attempts.timeout(), metadata=self._metadata, wait_for_ready=True)
        try:
            async for answer in watch:
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return True
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise _failure_of(error) from error
        finally:
            watch.cancel()
        return False

    async def _call(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Request, Answer], request: Request, timeout: float | None
    ) -> Answer:
        attempts = self._retries.start(self._timeout if timeout is None else timeout)
        while True:
            try:
                return await method(request, timeout=attempts.timeout(), metadata=self._metadata)
            except grpc.aio.AioRpcError as error:
                failure = _failure_of(error)
                wait = attempts.wait_after(failure)
                if wait is None:
                    raise failure from error
            await self._sleep(wait)


def _failure_of(error: grpc.aio.AioRpcError) -> PanopeClientError:
    return error_of(error.code(), error.details() or "", error.trailing_metadata() or ())
