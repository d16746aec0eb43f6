"""Requests to one server: bounded in time, size and number, sent again only where nothing was done.

It has a thread with an event loop, on which all connections live; `call` and `start` may be used from any thread.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, TypeVar

import httpcore2

from panope_backends.engines.remote.breaker import UpstreamBreaker
from panope_backends.engines.remote.refusals import (
    NOT_TAKEN,
    broke_off,
    no_answer,
    refusal,
    too_much,
    too_slow,
    unreachable,
    untrusted,
)
from panope_backends.errors import AvailabilityError, PanopeError
from panope_backends.retry import RetryPolicy
from panope_backends.upstreams.access import UpstreamAccess
from panope_backends.upstreams.description import Upstream
from panope_backends.upstreams.network import CheckedNetwork, tls_context

#: Of an answer that is read whole, such as many vectors.
MAX_BODY_BYTES = 256 << 20
#: Of an answer that comes piece by piece.
MAX_STREAM_BYTES = 64 << 20
#: Of an error's body, which is looked at and not passed on.
MAX_ERROR_BYTES = 1 << 16

_KEEP_ALIVE_SECONDS = 20.0

T = TypeVar("T")


class Answer:
    """An answer whose beginning is there.

    Attributes:
        headers: by names in small letters.
    """

    def __init__(self, response: httpcore2.Response) -> None:
        self.headers = {
            name.decode("ascii", "replace").lower(): value.decode("latin-1") for name, value in response.headers
        }
        self.status = response.status
        self._response = response

    async def chunks(self, limit: int) -> AsyncIterator[bytes]:
        """The body as it comes.

        Raises:
            AvailabilityError: it has more bytes than the limit, or breaks off.
        """
        size = 0
        async for chunk in self._response.aiter_stream():
            size += len(chunk)
            if size > limit:
                raise too_much()
            yield chunk

    async def body(self, limit: int = MAX_BODY_BYTES) -> bytes:
        """The whole body; errors as of `chunks`."""
        return b"".join([chunk async for chunk in self.chunks(limit)])

    async def beginning(self) -> bytes:
        """The first bytes of the body, whatever comes after them."""
        found = b""
        async for chunk in self._response.aiter_stream():
            found += chunk
            if len(found) >= MAX_ERROR_BYTES:
                break
        return found[:MAX_ERROR_BYTES]


class Connection:
    """A server elsewhere.

    Args:
        upstream: where it is.
        access: what may be done with it.

    Raises:
        PreconditionError: the authorities that the settings name cannot be read.
    """

    def __init__(self, upstream: Upstream, access: UpstreamAccess) -> None:
        self._url = upstream.url
        self._access = access
        self._retries = RetryPolicy(
            base_seconds=0.25,
            cap_seconds=10.0,
            max_attempts=access.max_attempts,
            is_temporary=lambda error: isinstance(error, PanopeError) and error.reason in NOT_TAKEN,
        )
        self._breaker = UpstreamBreaker()
        self._headers = {"accept-encoding": "identity", "user-agent": "panope"}
        if access.api_key.value:
            self._headers["authorization"] = f"Bearer {access.api_key.value}"
        self._timeouts = {
            "connect": access.connect_timeout_seconds,
            "read": access.read_timeout_seconds,
            "write": access.read_timeout_seconds,
            "pool": access.total_timeout_seconds,
        }
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls_context(access.ca_file),
            max_connections=access.max_requests,
            max_keepalive_connections=access.max_requests,
            keepalive_expiry=_KEEP_ALIVE_SECONDS,
            network_backend=CheckedNetwork(private=access.private_addresses),
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="remote", daemon=True)
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Runs something on the event loop; its future's `cancel` ends it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs something on the event loop and waits for it."""
        return self.start(work).result()

    def close(self) -> None:
        """Drops what runs and ends the thread; it may be called twice."""
        if not self._thread.is_alive():
            return
        self.call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def read(self, method: str, path: str, body: bytes | None = None, **how: Any) -> bytes:
        """The whole body of an answer; errors and arguments as of `exchange`."""
        async with self.exchange(method, path, body, **how) as answer:
            return await answer.body()

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
        prompt: str = "prompt",
    ) -> AsyncIterator[Answer]:
        """Sends a request; what is yielded is an answer of status 200, whose body is to be read inside.

        A request is sent again while nothing of an answer has come and nothing was done: the server took no connection,
        or said that it takes no requests now. It waits as long as the server asks, up to 10 seconds.

        Args:
            method: of HTTP.
            path: after the address of the API.
            body: JSON, unless `headers` say otherwise; None for none.
            headers: more of them.
            fields: see `refusals.refusal`.
            prompt: see there.

        Raises:
            PanopeError: what became of it, also from within: time is up, or the answer breaks off.
        """
        self._breaker.check()
        try:
            async with asyncio.timeout(self._access.total_timeout_seconds):
                request = self._request(method, path, body, headers or {})
                response, answer = await self._answered(request, fields or {}, prompt)
                try:
                    yield answer
                finally:
                    await response.aclose()
        except (TimeoutError, httpcore2.TimeoutException) as error:
            self._breaker.failed()
            raise too_slow() from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            self._breaker.failed()
            raise broke_off() from error
        except AvailabilityError:
            self._breaker.failed()
            raise
        except PanopeError:
            self._breaker.succeeded()
            raise
        except BaseException:  # the caller has gone, or a defect of ours
            self._breaker.abandoned()
            raise
        self._breaker.succeeded()

    def _request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> httpcore2.Request:
        sent = self._headers | {"host": self._url.split("/")[2]}
        if body is not None:
            sent |= {"content-type": "application/json", "content-length": str(len(body))}
        return httpcore2.Request(
            method,
            f"{self._url}{path}",
            headers=list((sent | dict(headers)).items()),
            content=body,
            extensions={"timeout": self._timeouts},
        )

    async def _answered(
        self, request: httpcore2.Request, fields: Mapping[str, str], prompt: str
    ) -> tuple[httpcore2.Response, Answer]:
        """The beginning of an answer of status 200, after as many tries as there may be."""
        attempt = 1
        while True:
            try:
                return await self._tried(request, fields, prompt)
            except PanopeError as error:
                if not self._retries.allows(attempt, error):
                    raise
                await asyncio.sleep(self._retries.delay_seconds(attempt, error.retry_after_seconds or 0.0))
                attempt += 1

    async def _tried(
        self, request: httpcore2.Request, fields: Mapping[str, str], prompt: str
    ) -> tuple[httpcore2.Response, Answer]:
        try:
            response = await self._pool.handle_async_request(request)
        except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
            raise (untrusted() if _is_untrusted(error) else unreachable()) from error
        answer = Answer(response)
        if answer.status == HTTPStatus.OK and answer.headers.get("content-encoding", "identity") == "identity":
            return response, answer
        try:
            if answer.status == HTTPStatus.OK:
                raise no_answer()
            raise refusal(answer.status, answer.headers, await answer.beginning(), fields, prompt)
        finally:
            await response.aclose()

    async def _end(self) -> None:
        this = asyncio.current_task()
        running = [task for task in asyncio.all_tasks() if task is not this]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._pool.aclose()
        await self._loop.shutdown_asyncgens()


def _is_untrusted(error: BaseException | None) -> bool:
    """Whether a certificate was not accepted, as whatever led to the error says."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
