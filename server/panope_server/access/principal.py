"""Who makes a call: known to every step of it, its log line and the registry's records."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from panope_registry.access.limits import Limit
from panope_registry.access.priority import Priority
from panope_registry.access.scopes import EVERY_MODEL, EVERY_SCOPE, ModelPatterns, Scopes


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or a program that calls.

    Attributes:
        name: stable and without secrets, as logs and records have it; empty for somebody who is not known.
        key_id: the public part of the key that came with the call; empty without one. Fairness, quotas and usage count
            by it.
        scopes: what it may do.
        models: on which models; all others are hidden from it.
        max_priority: the most urgent that its calls may be.
        limits: how much it may ask for.
    """

    name: str = ""
    key_id: str = ""
    scopes: Scopes = EVERY_SCOPE
    models: ModelPatterns = EVERY_MODEL
    max_priority: Priority = Priority.HIGH
    limits: tuple[Limit, ...] = ()

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
