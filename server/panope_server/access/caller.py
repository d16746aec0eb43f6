"""What came with a call and says who makes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice

_FORWARDED = "x-forwarded-for"
#: By Envoy alone, of the certificate that its caller has shown: names with a space between two.
_NAMES = "x-edge-client-names"
#: By Envoy alone, of a token that it has checked: base64url of JSON.
_CLAIMS = "x-edge-token-claims"

MAX_NAMES = 32
_NAME = re.compile(r"[A-Za-z0-9._:/@+*-]{1,256}")


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a call comes from.

    Attributes:
        metadata: of the gRPC call, or the headers of the HTTP request; names in lower case.
        peer: the address of who is connected, without its port.
        is_edge: whether that is our own Envoy, whose word on others counts.
        shown: gives the names of the certificate that who is connected has shown, as `certificate_names` has them.
    """

    metadata: Mapping[str, str]
    peer: str = ""
    is_edge: bool = False
    shown: Callable[[], Sequence[str]] = tuple

    @property
    def names(self) -> Sequence[str]:
        """The names of the caller's certificate, through Envoy too; none without one."""
        return self.metadata.get(_NAMES, "").split() if self.is_edge else self.shown()

    @property
    def claims(self) -> str:
        """The claims of the caller's token, which Envoy has checked; empty without one."""
        return self.metadata.get(_CLAIMS, "") if self.is_edge else ""

    @property
    def address(self) -> str:
        """The caller's address, through Envoy too."""
        if self.is_edge:
            return self.metadata.get(_FORWARDED, "").rpartition(",")[2].strip()
        return self.peer


def certificate_names(uris: Iterable[str], dns: Iterable[str], common_names: Iterable[str]) -> Sequence[str]:
    """The names of a certificate with their kinds, such as `uri:spiffe://example.org/batch` or `cn:ada`.

    Those of other characters are left out, and all that are too many.
    """

    def found() -> Iterator[str]:
        for kind, names in (("uri", uris), ("dns", dns), ("cn", common_names)):
            yield from (f"{kind}:{name}" for name in names if _NAME.fullmatch(name))

    return tuple(islice(found(), MAX_NAMES))


_current: ContextVar[Caller | None] = ContextVar("caller", default=None)


def set_caller(caller: Caller) -> None:
    """Says where the call comes from that this task answers."""
    _current.set(caller)


def current_address() -> str:
    """The address of the caller that this task answers; empty outside of calls."""
    caller = _current.get()
    return caller.address if caller else ""
