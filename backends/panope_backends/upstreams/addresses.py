"""Addresses of servers elsewhere: how one is written, and which of them may be called.

An address is written one way alone. Whatever one program reads as this host and another as that one is refused: names
and passwords, escapes, numbers that only some resolvers take for addresses.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from panope_backends.errors import InvalidInputError

MAX_URL_CHARACTERS = 1000

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")
#: A last label that resolvers may take for a part of a number: `127.1`, `0x7f.1`, `2130706433`.
_NUMERIC = re.compile(r"(?:^|.*\.)(?:0x[0-9a-f]*|[0-9]+)")
_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
PORTS = {"http": 80, "https": 443}


class Place(NamedTuple):
    """Where a server listens."""

    host: str
    port: int


def check_url(url: str) -> str:
    """An address of an API as it is kept: without a slash at its end.

    Raises:
        InvalidInputError: `upstream.url` is no such address.
    """
    try:
        place_of(url)
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidInputError.at("upstream.url", "{field} {why}", why=error) from None
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def place_of(url: str) -> Place:
    """Where the server of an address listens.

    Raises:
        ValueError: it is no address of an API; the text says why.
    """
    if len(url) > MAX_URL_CHARACTERS or not url.isascii() or not url.isprintable() or set(url) & set(' \\"<>'):
        raise ValueError("must be an address such as `https://HOST/v1`, in visible characters of ASCII")
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not url.startswith(f"{parts.scheme}://"):
        raise ValueError("must begin with `https://` or `http://`")
    if "@" in parts.netloc:
        raise ValueError("must hold no name and no password: the setting `remote.api_keys` has the key")
    if "?" in url or "#" in url:
        raise ValueError("must have no query and no fragment")
    if not _PATH.fullmatch(parts.path.rstrip("/")):
        raise ValueError("has a path with characters that are not letters, digits, `.`, `_`, `~` and `-`")
    host, port = split_netloc(parts.netloc)
    return Place(host, port or PORTS[parts.scheme])


def is_listed(place: Place, allowed: Iterable[str], *, usual_port: int = 0) -> bool:
    """Whether a list of hosts has one: by name, or by `*.` and the name of a domain.

    Args:
        place: to look for.
        allowed: the list.
        usual_port: that entries without a port mean; 0 for any.
    """
    for entry in allowed:
        host, port = split_netloc(entry.removeprefix("*."))
        if (port or usual_port) not in (0, place.port):
            continue
        if place.host.endswith(f".{host}") if entry.startswith("*.") else host == place.host:
            return True
    return False


def check_entry(entry: str) -> None:
    """Refuses what is no entry of a list of hosts, with a ValueError that says why."""
    if entry.startswith("*.") and literal_of(entry.removeprefix("*.")) is not None:
        raise ValueError(f"`{entry}`: `*.` stands before the name of a domain")
    split_netloc(entry.removeprefix("*."))


def may_connect(address: str, host: str, *, private: bool) -> bool:
    """Whether an address that a host's name resolves to may be called.

    A host that is written as an address was allowed as such. A name may lead to public addresses, and where the
    settings say so to private ones; to link-local ones and others where clouds keep their credentials, and to those of
    no single machine it never may.
    """
    if literal_of(host) is not None:
        return True
    return is_public(address) or (private and not _is_never_called(_reached(address)))


def is_public(address: str) -> bool:
    """Whether an address, of IPv6 with its zone or without, is one machine's out in the internet."""
    found = _reached(address)
    return found.is_global and not _is_never_called(found)


def split_netloc(netloc: str) -> tuple[str, int]:
    """Host and port of what stands between `//` and the path; 0 for no port.

    Raises:
        ValueError: it is no host, written as it is here; the text says why.
    """
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?", netloc)
    if match is None:
        raise ValueError("names no host")
    host, port = match[1].strip("[]").lower(), int(match[2]) if match[2] is not None else 0
    if match[2] is not None and not 1 <= port <= 65535:
        raise ValueError("has a port that is none: 1 to 65535")
    if (literal := literal_of(host)) is not None:
        return str(literal), port
    if match[1].startswith("[") or not _HOST.fullmatch(host) or _NUMERIC.fullmatch(host):
        raise ValueError("names no host")
    return host, port


def literal_of(host: str) -> IpAddress | None:
    """The address that a host is written as; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_never_called(address: IpAddress) -> bool:
    return address.is_link_local or address.is_multicast or address.is_unspecified or address in _METADATA


def _reached(text: str) -> IpAddress:
    """The IPv4 address that an IPv6 address leads to; the address itself where it leads to none."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address) or address.is_loopback:
        return address
    if any(address in network for network in _ENDS_IN_IPV4):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address


#: NAT64, that of single networks (RFC 8215) in its usual form, and the old form of IPv4-compatible addresses.
_ENDS_IN_IPV4 = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))

#: Where clouds tell machines their credentials, beside link-local addresses: AWS and Google by IPv6, Alibaba, Azure,
#: Oracle.
_METADATA = frozenset(
    map(ipaddress.ip_address, ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"))
)
