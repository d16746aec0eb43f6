"""Fetches files that calls name by URL, on a thread of its own with an event loop.

Nothing is sent but the request itself: no key, no cookie, no header of the caller's. A name is looked up once and the
connection goes to the address that was looked at; certificates are checked for the name. A redirect is a new URL, and
checked as such. Environment variables name no proxy here, which would look names up by itself.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

import httpcore2

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.upstreams.file_urls import FileUrl, may_fetch, read_file_url
from panope_backends.upstreams.network import CheckedNetwork, Resolve, addresses_of
from panope_server.config import MediaUrlSettings

_CONNECT_SECONDS = 5.0
_KEEP_ALIVE_SECONDS = 5.0
_HEADERS: dict[bytes | str, bytes | str] = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "panope"}

_SENT_ON = frozenset({301, 302, 303, 307, 308})

NOT_ALLOWED, UNAVAILABLE, TOO_LARGE = "media_url_not_allowed", "media_url_unavailable", "media_url_too_large"
"""Reasons of refusals, for programs."""


@dataclass(slots=True)
class Budget:
    """The bytes that the files of one call may still have."""

    left: int


class MediaFetcher:
    """Fetches files from hosts that the settings list.

    Args:
        settings: which those are, and how long files may take.
        resolve: finds a host's addresses.
        ssl_context: with the authorities that are trusted; None for the usual ones.
    """

    def __init__(
        self, settings: MediaUrlSettings, resolve: Resolve = addresses_of, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self._settings = settings
        self._resolve = resolve
        self._ssl_context = ssl_context
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def check(self, url: str, field: str) -> FileUrl:
        """A URL in its parts; nothing is sent anywhere.

        Raises:
            InvalidInputError: its host is not listed, or it is no URL of a file.
        """
        allowed = self._settings.allowed_hosts
        if not allowed:
            raise InvalidInputError.at(
                field,
                "{field} names a file elsewhere, and this server fetches none; send the file itself. The setting "
                "`media_urls.allowed_hosts` lists the hosts from which files are fetched",
                reason=NOT_ALLOWED,
            )
        try:
            read = read_file_url(url)
        except ValueError as error:
            raise InvalidInputError.at(field, "{field} {why}", why=error, reason=NOT_ALLOWED) from None
        self._check_host(read, field)
        return read

    async def fetch(self, url: str, field: str, max_bytes: int, budget: Budget) -> bytes:
        """The file at a URL.

        Args:
            url: as the caller wrote it.
            field: of the call, that holds it.
            max_bytes: that the file may have.
            budget: what all files of the call may have; what this one has is taken from it.

        Raises:
            InvalidInputError: the file may not be fetched, is not to be had, or is too large.
        """
        read = self.check(url, field)
        work = self._bounded(read, field, max_bytes, budget)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._started()))

    def close(self) -> None:
        """Ends the thread, and drops what it fetches; it may be called twice."""
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = None

    def _check_host(self, url: FileUrl, field: str) -> None:
        if not may_fetch(url, self._settings.allowed_hosts):
            raise InvalidInputError.at(
                field,
                "{field} leads to the host `{host}`, port {port}, from which no files are fetched; the setting "
                "`media_urls.allowed_hosts` lists the hosts",
                host=url.place.host,
                port=url.place.port,
                reason=NOT_ALLOWED,
            )

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._permits = asyncio.Semaphore(self._settings.max_fetches)
            self._pool = httpcore2.AsyncConnectionPool(
                ssl_context=self._ssl_context or httpcore2.default_ssl_context(),
                max_connections=self._settings.max_fetches,
                keepalive_expiry=_KEEP_ALIVE_SECONDS,
                network_backend=CheckedNetwork(
                    private=self._settings.private_addresses,
                    resolve=self._resolve,
                    setting="media_urls.private_addresses",
                ),
            )
            self._thread = threading.Thread(target=self._loop.run_forever, name="media-files", daemon=True)
            self._thread.start()
        return self._loop

    async def _bounded(self, url: FileUrl, field: str, max_bytes: int, budget: Budget) -> bytes:
        try:
            async with self._permits, asyncio.timeout(self._settings.timeout_seconds):
                return await self._follow(url, field, max_bytes, budget)
        except (TimeoutError, httpcore2.TimeoutException):
            raise _unavailable(field, url, "did not give it in time") from None
        except PreconditionError as error:  # of the network, which knows no fields
            raise InvalidInputError.at(field, "{field}: {why}", why=error.message, reason=NOT_ALLOWED) from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as error:
            why = "has a certificate that is not trusted" if _is_untrusted(error) else "cannot be reached"
            raise _unavailable(field, url, why) from None

    async def _follow(self, url: FileUrl, field: str, max_bytes: int, budget: Budget) -> bytes:
        for _ in range(self._settings.max_redirects + 1):
            async with self._pool.stream(
                b"GET",
                httpcore2.URL(
                    scheme=url.scheme.encode(),
                    host=url.place.host.encode(),
                    port=url.place.port,
                    target=url.target.encode(),
                ),
                headers=_HEADERS | {"host": url.netloc},
                extensions={"timeout": {"connect": _CONNECT_SECONDS}},
            ) as response:
                if response.status not in _SENT_ON:
                    return await _read(response, url, field, max_bytes, budget)
                url = self._next(url, _header(response, b"location"), field)
        raise _unavailable(field, url, f"sends on more than {self._settings.max_redirects} times")

    def _next(self, url: FileUrl, location: str, field: str) -> FileUrl:
        try:
            target = url.join(location)
        except ValueError:
            raise _unavailable(field, url, "sends on to what is no URL of a file") from None
        if url.scheme == "https" and target.scheme != "https":
            raise _unavailable(field, url, "sends on from https to http")
        self._check_host(target, field)
        return target

    async def _end(self) -> None:
        this = asyncio.current_task()
        running = [task for task in asyncio.all_tasks() if task is not this]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._pool.aclose()


async def _read(response: httpcore2.Response, url: FileUrl, field: str, max_bytes: int, budget: Budget) -> bytes:
    """The body of an answer, which is given up as soon as it is too large."""
    if response.status != HTTPStatus.OK:
        raise _unavailable(field, url, f"answered with status {response.status}")
    if _header(response, b"content-encoding").lower() not in ("", "identity"):
        raise _unavailable(field, url, "sent it compressed, though that was not asked for")
    stated = _header(response, b"content-length")
    if stated.isdigit() and len(stated) < len(str(1 << 64)):
        _check_size(int(stated), field, max_bytes, budget)
    content = bytearray()
    async for chunk in response.aiter_stream():
        content += chunk
        _check_size(len(content), field, max_bytes, budget)
    budget.left -= len(content)
    if not content:
        raise _unavailable(field, url, "gave an empty file")
    return bytes(content)


def _check_size(size: int, field: str, max_bytes: int, budget: Budget) -> None:
    if size > max_bytes:
        raise InvalidInputError.at(
            field, "{field} leads to a file of more than {limit:,} bytes", limit=max_bytes, reason=TOO_LARGE
        )
    if size > budget.left:
        raise InvalidInputError.at(
            field,
            "{field} leads to a file that is too large beside the others of the call; the setting "
            "`media_urls.max_call_bytes` says how large all may be",
            reason=TOO_LARGE,
        )


def _unavailable(field: str, url: FileUrl, why: str) -> InvalidInputError:
    host = url.place.host
    return InvalidInputError.at(
        field, "{field}: the host `{host}` of the file {why}", host=host, why=why, reason=UNAVAILABLE
    )


def _header(response: httpcore2.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in response.headers if key.lower() == name), "")


def _is_untrusted(error: BaseException | None) -> bool:
    return any(isinstance(each, ssl.SSLCertVerificationError) for each in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
