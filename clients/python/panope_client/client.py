"""The client for programs with threads; `panope_client.aio` is its twin for asyncio."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack, overload

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from panope.v1 import embed_service_pb2 as embed_pb
from panope.v1.embed_service_pb2_grpc import EmbedServiceStub
from panope.v1.infer_service_pb2_grpc import InferServiceStub
from panope.v1.job_service_pb2_grpc import JobServiceStub
from panope.v1.registry_service_pb2_grpc import RegistryServiceStub
from panope_client import messages
from panope_client.channel import options_for
from panope_client.errors import DeadlineError, PanopeClientError, error_of, not_ready
from panope_client.messages import Batch, EmbedOptions
from panope_client.registry_calls import RegistryCalls
from panope_client.results import Embeddings, Health, Tokens
from panope_client.retry import Attempts, Retries, RetryPolicy
from panope_client.tensors import Array
from panope_client.values import Json

Request = TypeVar("Request")
Answer = TypeVar("Answer")

#: Seconds before a new look at a server that went away while its health was followed.
WATCH_PAUSE = 0.1


class Client(RegistryCalls):
    """A connection to a Panope server; usable from several threads, closed by `close` or `with`.

    Every call takes `timeout`, the seconds it may take with all its retries: None takes the client's, `math.inf` waits
    for ever. Every call fails with a `PanopeClientError`; see `panope_client.errors` for the tree.

    Args:
        address: `HOST:PORT` of the server's gRPC port.
        credentials: for TLS, such as `grpc.ssl_channel_credentials()`; None speaks plain text.
        metadata: sent with every call.
        timeout: seconds, for calls that name none.
        retries: how far the server's hints to come back later are followed.
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
            grpc.insecure_channel(address, options)
            if credentials is None
            else grpc.secure_channel(address, credentials, options)
        )
        self._embed = EmbedServiceStub(self._channel)
        self._infer = InferServiceStub(self._channel)
        self._registry = RegistryServiceStub(self._channel)
        self._jobs = JobServiceStub(self._channel)
        self._health = health_pb2_grpc.HealthStub(self._channel)
        self._metadata = tuple(metadata)
        self._timeout = timeout
        self._retries = Retries(retries or RetryPolicy())
        self._sleep = time.sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection and every call that is still running on it."""
        self._channel.close()

    def embed(
        self, texts: Batch, model: str, *, timeout: float | None = None, **options: Unpack[EmbedOptions]
    ) -> Embeddings:
        """Embeds one batch.

        Args:
            texts: texts, or the token ids of texts; at least one, none empty, no more than the server's limit.
            model: `vendor/name`.
            timeout: see the class.
            options: see `EmbedOptions`.
        """
        request = messages.embed_request(texts, model, options)
        return messages.embeddings_of(self._call(self._embed.Embed, request, timeout))

    def embed_many(
        self,
        texts: Iterable[str],
        model: str,
        *,
        batch_size: int = 32,
        concurrency: int = 4,
        timeout: float | None = None,
        **options: Unpack[EmbedOptions],
    ) -> Embeddings:
        """Embeds any number of texts, several batches at a time; the vectors are in the order of the texts.

        Args:
            texts: at least one.
            model: `vendor/name`.
            batch_size: texts in one call.
            concurrency: calls at a time.
            timeout: for each call; see the class.
            options: see `EmbedOptions`.
        """
        embed = partial(self.embed, model=model, timeout=timeout, **options)
        with ThreadPoolExecutor(concurrency) as pool:
            return Embeddings.joined(list(pool.map(embed, messages.batches_of(texts, batch_size))))

    @overload
    def embed_stream(
        self,
        batches: Iterable[Batch],
        model: str,
        *,
        return_errors: Literal[False] = False,
        timeout: float = ...,
        **options: Unpack[EmbedOptions],
    ) -> Generator[Embeddings, None, None]: ...

    @overload
    def embed_stream(
        self,
        batches: Iterable[Batch],
        model: str,
        *,
        return_errors: Literal[True],
        timeout: float = ...,
        **options: Unpack[EmbedOptions],
    ) -> Generator[Embeddings | PanopeClientError, None, None]: ...

    def embed_stream(
        self,
        batches: Iterable[Batch],
        model: str,
        *,
        return_errors: bool = False,
        timeout: float = math.inf,
        **options: Unpack[EmbedOptions],
    ) -> Generator[Embeddings | PanopeClientError, None, None]:
        """Embeds batches over one stream, many at a time; the answers are in the order of the batches.

        Nothing is retried. What the batches themselves raise is raised after the answers to the batches before.

        Args:
            batches: read by a thread of gRPC, as fast as the server takes them.
            model: `vendor/name`.
            return_errors: gives the error of a batch in the place of its vectors and goes on; otherwise it is raised
                and the stream ends.
            timeout: seconds for the whole stream.
            options: see `EmbedOptions`.
        """
        source = messages.embed_source(batches, model, options)
        attempts = self._retries.start(timeout)
        call = self._embed.StreamEmbed(iter(source), timeout=attempts.timeout(), metadata=self._metadata)
        answers = 0
        try:
            for answer in call:
                result = messages.stream_result(answers, answer)
                if isinstance(result, PanopeClientError) and not return_errors:
                    raise result
                answers += 1
                yield result
        except grpc.RpcError as error:
            raise _failure_of(error) from error
        finally:
            call.cancel()
        messages.check_stream_end(answers, source)

    def tokenize(
        self, texts: Sequence[str], model: str, *, add_special_tokens: bool = True, timeout: float | None = None
    ) -> list[Tokens]:
        """Splits texts into the model's tokens, with or without the tokens that the model puts around a text."""
        request = embed_pb.TokenizeRequest(model=model, texts=texts, add_special_tokens=add_special_tokens)
        return messages.tokens_of(self._call(self._embed.Tokenize, request, timeout))

    def detokenize(
        self,
        sequences: Sequence[Sequence[int]],
        model: str,
        *,
        skip_special_tokens: bool = True,
        timeout: float | None = None,
    ) -> list[str]:
        """Joins the token ids of each text into the text."""
        request = embed_pb.DetokenizeRequest(
            model=model,
            token_sequences=messages.sequences_of(sequences),
            skip_special_tokens=skip_special_tokens,
        )
        return list(self._call(self._embed.Detokenize, request, timeout).texts)

    def infer(
        self, inputs: Mapping[str, Array], model: str, outputs: Sequence[str] = (), *, timeout: float | None = None
    ) -> dict[str, Array]:
        """Runs a model on named arrays.

        Args:
            inputs: the model's inputs by name; `model(name).inputs` tells them once the model was loaded.
            model: `vendor/name`.
            outputs: which outputs to return, in this order; empty for all.
            timeout: see the class.

        Returns:
            The outputs by name; read-only views of the answer's bytes.

        Raises:
            TypeError: an array's element type has no counterpart, such as text.
        """
        request = messages.infer_request(model, inputs, outputs)
        return messages.outputs_of(self._call(self._infer.Infer, request, timeout))

    def infer_value(self, value: Json, model: str, *, timeout: float | None = None) -> Any:
        """Runs a model on its task's value and returns the task's answer, both as JSON's own types.

        For `embed` the value is a text, a list of texts, or a mapping with `texts` and options; the answer is a list of
        vectors. Numbers come back as floats.

        Raises:
            TypeError: the value holds what JSON cannot.
        """
        return messages.value_of(self._call(self._infer.Infer, messages.value_request(model, value), timeout))

    def health(self, model: str = "", *, timeout: float | None = None) -> Health:
        """Tells whether a model answers calls; with no name, whether the server does.

        Raises:
            NotFoundError: no such model.
        """
        answer = self._call(self._health.Check, health_pb2.HealthCheckRequest(service=model), timeout)
        return Health(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    def wait_ready(self, timeout: float = 60.0, *, model: str = "") -> None:
        """Returns as soon as a model, or with no name the server, answers calls; the server need not run yet.

        Raises:
            DeadlineError: it does not within `timeout` seconds.
        """
        attempts = self._retries.start(timeout)
        try:
            while not self._watch_until_serving(model, attempts):
                self._sleep(WATCH_PAUSE)
        except DeadlineError:
            raise not_ready(model, timeout) from None

    def _watch_until_serving(self, model: str, attempts: Attempts) -> bool:
        """Follows the health of one server; False when that server went away."""
        request = health_pb2.HealthCheckRequest(service=model)
        watch = self._health.Watch(request, timeout=attempts.timeout(), metadata=self._metadata, wait_for_ready=True)
        try:
            return any(answer.status == health_pb2.HealthCheckResponse.SERVING for answer in watch)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAVAILABLE:
                return False
            raise _failure_of(error) from error
        finally:
            watch.cancel()

    def _call(
        self, method: grpc.UnaryUnaryMultiCallable[Request, Answer], request: Request, timeout: float | None
    ) -> Answer:
        attempts = self._retries.start(self._timeout if timeout is None else timeout)
        while True:
            try:
                return method(request, timeout=attempts.timeout(), metadata=self._metadata)
            except grpc.RpcError as error:
                failure = _failure_of(error)
                wait = attempts.wait_after(failure)
                if wait is None:
                    raise failure from error
            self._sleep(wait)


def _failure_of(error: grpc.RpcError) -> PanopeClientError:
    trailers = ((item.key, item.value) for item in error.trailing_metadata() or ())
    return error_of(error.code(), error.details() or "", trailers)
