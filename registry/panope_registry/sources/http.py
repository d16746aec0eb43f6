"""HTTP GET as a source needs it: the token goes to the hub alone, redirects go only where they may.

Redirects are followed by hand: a hub sends large files' readers to a store elsewhere, whose address it signs. That
address must be http or https, must not lie inside this network unless the hub does, and never sees the token.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import httpx2

from panope_backends.errors import AvailabilityError
from panope_backends.upstreams.addresses import is_public
from panope_registry.sources.links import broken_link, host_of, is_proxied
from panope_registry.sources.responses import HubRefusal, refusal, unavailable

MAX_REDIRECTS = 5

MOVED_SECONDS = 60.0
"""So long an address that the hub gave for a file is used again: reading it in parts costs the hub one question. Hubs
sign addresses for longer, and one that is refused is asked for anew."""

MAX_MOVED = 1000

Resolve = Callable[[str], Sequence[str]]
"""A host's addresses."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


def addresses_of(host: str) -> list[str]:
    """Returns the addresses of a host, as the system knows them."""
    return [str(address_info[4][0]) for address_info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


class HubHttp:
    """GETs from one hub. Safe for use by several threads."""

    def __init__(self, endpoint: str, token: str | None, client: httpx2.Client, resolve: Resolve) -> None:
        self._home = httpx2.URL(endpoint)
        self._token = token
        self._client = client
        self._resolve = resolve
        self._home_is_private: bool | None = None
        self._moved: dict[httpx2.URL, tuple[httpx2.URL, float]] = {}

    @contextmanager
    def get(self, url: str, headers: dict[str, str], page: str = "") -> Iterator[httpx2.Response]:
        """Sends a GET and yields the response, its body unread; 200, 206 and 416 alone come back.

        Args:
            url: at the hub.
            headers: beside its own.
            page: where people read of what is asked for, for the message of a refusal.

        Raises:
            PanopeError: as `panope_registry.sources.source.Source` says.
        """
        at = [httpx2.URL(url)]
        try:
            with self._follow(at, headers, page) as answer:
                yield answer
        except httpx2.TransportError as error:
            self._moved.pop(at[0], None)
            raise broken_link(error, at[-1]) from error
        except (httpx2.InvalidURL, httpx2.StreamError) as error:
            raise protocol_error("its answer cannot be read") from error

    @contextmanager
    def _follow(self, at: list[httpx2.URL], headers: dict[str, str], page: str) -> Iterator[httpx2.Response]:
        """Adds to `at` every address that it is sent to."""
        if known := self._known_address(at[0]):
            at.append(known)
        for _ in range(MAX_REDIRECTS + 1):
            url = at[-1]
            with self._client.stream("GET", url, headers=self._headers(url, headers)) as answer:
                if answer.status_code in (200, 206, 416):
                    _refuse_encoding(answer)
                    self._remember(at)
                    yield answer
                    return
                if answer.status_code in (301, 302, 303, 307, 308):
                    at.append(self._next(url, answer.headers.get("location", "")))
                elif url is known:
                    known = None
                    at.append(at[0])
                else:
                    raise self._refused(answer, url, page)
        raise protocol_error(f"it redirects more than {MAX_REDIRECTS} times")

    def _known_address(self, url: httpx2.URL) -> httpx2.URL | None:
        """Returns the address to which the hub redirected this one a moment ago."""
        address, until = self._moved.get(url, (None, 0.0))
        return address if time.monotonic() < until else None

    def _remember(self, at: Sequence[httpx2.URL]) -> None:
        if at[-1] is not at[0] and at[-1] is not self._known_address(at[0]):
            if len(self._moved) >= MAX_MOVED:
                self._moved.clear()
            self._moved[at[0]] = (at[-1], time.monotonic() + MOVED_SECONDS)

    def _headers(self, url: httpx2.URL, headers: dict[str, str]) -> dict[str, str]:
        # A compressed body would hide its length and make ranges mean nothing.
        sent = {"accept-encoding": "identity", "user-agent": "panope"} | headers
        if self._token and self._is_home(url):
            sent["authorization"] = f"Bearer {self._token}"
        return sent

    def _refused(self, answer: httpx2.Response, url: httpx2.URL, page: str) -> HubRefusal | AvailabilityError:
        if not self._is_home(url) and answer.status_code in (401, 403, 404):
            return unavailable(f"the address at `{host_of(url)}` that the hub gave for a file has expired")
        return refusal(answer.status_code, answer.headers, host_of(url), page)

    def _next(self, url: httpx2.URL, location: str) -> httpx2.URL:
        if not location:
            raise protocol_error("it redirects to nowhere")
        target = url.join(location)
        if target.scheme not in _DEFAULT_PORTS or not target.host:
            raise protocol_error("it redirects to an address that is not http or https")
        if target.userinfo:
            raise protocol_error("it redirects to an address with a password")
        if not self._is_home(target) and self._is_private(target) and not self._at_home_in_private():
            raise protocol_error("it redirects to an address inside this network")
        return target

    def _is_home(self, url: httpx2.URL) -> bool:
        return _origin(url) == _origin(self._home)

    def _at_home_in_private(self) -> bool:
        if self._home_is_private is None:
            self._home_is_private = self._is_private(self._home)
        return self._home_is_private

    def _is_private(self, url: httpx2.URL) -> bool:
        try:
            addresses = self._resolve(url.host)
        except OSError as error:
            if is_proxied(url):  # the proxy knows the name, and where it lets us go is its own rule
                return False
            raise unavailable(f"the name of `{host_of(url)}` cannot be resolved") from error
        return not all(map(is_public, addresses))


def protocol_error(problem: str) -> AvailabilityError:
    """Returns the error for answers that no hub gives; asking again does not help."""
    return AvailabilityError(f"the hub's answer cannot be used: {problem}", reason="source_protocol")


def _refuse_encoding(answer: httpx2.Response) -> None:
    if answer.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise protocol_error("it is compressed, though that was not asked for")


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or _DEFAULT_PORTS.get(url.scheme)
