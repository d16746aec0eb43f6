"""Why a connection came to nothing, in words for whoever can mend it: which host, and by which way."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from urllib.request import getproxies, proxy_bypass

import httpx2

from panope_backends.errors import AvailabilityError, PreconditionError
from panope_registry.names import shown
from panope_registry.sources.responses import unavailable
from panope_registry.sources.sockets import watch

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 30.0
"""Without a byte, the answer's first line included."""

UNTRUSTED = "source_untrusted"


def new_client() -> httpx2.Client:
    """Returns a client for one source; making one takes 20 ms, so it is kept.

    It heeds `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR`.

    Raises:
        PreconditionError: one of these names something that cannot be used.
    """
    timeout = httpx2.Timeout(IDLE_SECONDS, connect=CONNECT_SECONDS)
    try:
        return watch(httpx2.Client(timeout=timeout, follow_redirects=False))
    except (OSError, ssl.SSLError):
        raise PreconditionError(
            "the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read", reason="invalid_certificates"
        ) from None
    except (ValueError, ImportError, httpx2.InvalidURL):
        raise PreconditionError(
            "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names a proxy that is none of http:// and https://",
            reason="invalid_proxy",
        ) from None


def host_of(url: httpx2.URL) -> str:
    """Host and port, without a password."""
    return shown(url.netloc.decode("ascii", "replace"))


def is_proxied(url: httpx2.URL) -> bool:
    """Returns whether a request goes to a proxy, which alone then looks up the host."""
    proxies = getproxies()
    return bool(proxies.get(url.scheme) or proxies.get("all")) and not proxy_bypass(url.host)


def broken_link(error: httpx2.TransportError, url: httpx2.URL) -> AvailabilityError:
    """Returns the error for a request to this address that got no answer, or not all of it."""
    host = f"`{host_of(url)}`"
    by = " through the proxy that the environment names" if is_proxied(url) else ""
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return AvailabilityError(
            f"the certificate of {host} is not one that this machine trusts; if it should, SSL_CERT_FILE names a file "
            "with its authority",
            reason=UNTRUSTED,
        )
    if isinstance(error, httpx2.ProxyError):
        return unavailable(f"the proxy that the environment names gives no way to {host}")
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return unavailable(f"the name of {host} cannot be resolved{by}")
    if isinstance(error, httpx2.ConnectTimeout):
        return unavailable(f"{host} took no connection{by} within {CONNECT_SECONDS:.0f} s")
    if isinstance(error, httpx2.ConnectError):
        return unavailable(f"no connection to {host}{by} could be made")
    if isinstance(error, httpx2.TimeoutException):
        return unavailable(f"{host} stopped sending{by}")
    return unavailable(f"the connection to {host}{by} broke")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yields the error and what led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
