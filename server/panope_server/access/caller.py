"""What came with a call and says who makes it."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

_FORWARDED = "x-forwarded-for"


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a call comes from.

    Attributes:
        metadata: of the gRPC call, or the headers of the HTTP request; names in lower case.
        peer: the address of who is connected, without its port.
        is_edge: whether that is our own Envoy, whose word on others counts.
    """

    metadata: Mapping[str, str]
    peer: str = ""
    is_edge: bool = False

    @property
    def address(self) -> str:
        """The caller's address, through Envoy too."""
        if self.is_edge:
            return self.metadata.get(_FORWARDED, "").rpartition(",")[2].strip()
        return self.peer


_current: ContextVar[Caller | None] = ContextVar("caller", default=None)


def set_caller(caller: Caller) -> None:
    """Says where the call comes from that this task answers."""
    _current.set(caller)


def current_address() -> str:
    """The address of the caller that this task answers; empty outside of calls."""
    caller = _current.get()
    return caller.address if caller else ""
