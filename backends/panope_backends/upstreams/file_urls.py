"""URLs of files elsewhere that callers name: how one is written, and which of them may be fetched.

A URL is read once, here, and in parts: whoever fetches is given the host, the port and the target, and reads none.
What one program takes for this host and another for that one is refused: names and passwords, backslashes, escapes,
letters that look like others, numbers that only some resolvers take for addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from panope_backends.upstreams.addresses import (
    PORTS,
    Place,
    check_entry,
    is_listed,
    is_public,
    literal_of,
    split_netloc,
)

#: Of storage that signs its URLs, about 2,000 are usual.
MAX_URL_CHARACTERS = 4096

ANY_PUBLIC_HOST = "*"


class FileUrl(NamedTuple):
    """Where a file is.

    Attributes:
        scheme: `http` or `https`.
        place: where its server listens.
        target: path and query, as they are sent.
    """

    scheme: str
    place: Place
    target: str

    @property
    def netloc(self) -> str:
        """Host and port as the header `host` has them: without the scheme's own port."""
        host = f"[{self.place.host}]" if ":" in self.place.host else self.place.host
        return host if self.place.port == PORTS[self.scheme] else f"{host}:{self.place.port}"

    def join(self, location: str) -> FileUrl:
        """Where a redirect leads; errors as of `read_file_url`."""
        if len(location) > MAX_URL_CHARACTERS or not _is_visible(location):
            raise ValueError("is no URL in visible characters of ASCII")
        return read_file_url(urljoin(f"{self.scheme}://{self.netloc}{self.target}", location))


def read_file_url(url: str) -> FileUrl:
    """A URL in its parts.

    Raises:
        ValueError: it is no URL of a file; the text says why.
    """
    if len(url) > MAX_URL_CHARACTERS:
        raise ValueError(f"has {len(url):,} characters; the limit is {MAX_URL_CHARACTERS:,}")
    if not _is_visible(url):
        raise ValueError("is no URL in visible characters of ASCII")
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not url.startswith(f"{parts.scheme}://"):
        raise ValueError("must begin with `https://` or `http://`")
    if "@" in parts.netloc:
        raise ValueError("must hold no name and no password")
    if "#" in url:
        raise ValueError("must have no fragment")
    host, port = split_netloc(parts.netloc)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return FileUrl(parts.scheme, Place(host, port or PORTS[parts.scheme]), target)


def may_fetch(url: FileUrl, allowed: Sequence[str]) -> bool:
    """Whether a list of hosts lets a URL be fetched, as far as can be told without a look at its host's addresses.

    Args:
        url: of a file.
        allowed: hosts by name or address, of the scheme's own port unless an entry has a port; `*.` and the name of a
            domain for the hosts in it; `*` for every host with a public address.
    """
    usual, host = PORTS[url.scheme], url.place.host
    if ANY_PUBLIC_HOST in allowed and url.place.port == usual and (literal_of(host) is None or is_public(host)):
        return True
    return is_listed(url.place, (entry for entry in allowed if entry != ANY_PUBLIC_HOST), usual_port=usual)


def check_file_host(entry: str) -> None:
    """Refuses what is no entry of such a list, with a ValueError that says why."""
    if entry != ANY_PUBLIC_HOST:
        check_entry(entry)


def _is_visible(url: str) -> bool:
    return url.isascii() and url.isprintable() and not set(url) & set(' \\"<>^`{|}')
