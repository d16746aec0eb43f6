"""Who makes a call: known to every step of it, its log line and the registry's records."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or a program that calls.

    Attributes:
        name: stable and without secrets, as logs and records have it; empty for somebody who is not known.
    """

    name: str = ""

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody knows who it is."""
        return not self.name


ANONYMOUS = Principal()

_current: ContextVar[Principal] = ContextVar("principal", default=ANONYMOUS)


def current_principal() -> Principal:
    """Who makes the call that this task answers; anonymous outside of calls."""
    return _current.get()


def recorded_name(interface: str) -> str:
    """The caller's name for records; of an anonymous one the interface that it used, such as `rest`."""
    return current_principal().name or interface


def set_principal(principal: Principal) -> None:
    """Says who makes the call that this task answers."""
    _current.set(principal)
