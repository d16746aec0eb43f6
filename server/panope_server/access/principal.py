"""Who makes a call: known to every step of it, its log line and the registry's records."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

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
        expires_at: when what it showed ends, where nothing else tells that; None where something does.
    """

    name: str = ""
    key_id: str = ""
    scopes: Scopes = EVERY_SCOPE
    models: ModelPatterns = EVERY_MODEL
    max_priority: Priority = Priority.HIGH
    limits: tuple[Limit, ...] = ()
    expires_at: datetime | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody knows who it is."""
        return not self.name

    @property
    def is_admin(self) -> bool:
        """Whether it may do everything on every model."""
        return self.scopes.are_all and self.models.are_all

    @property
    def flow(self) -> str:
        """Whose turns its calls wait for; empty for somebody who is not known."""
        return f"key:{self.key_id}" if self.key_id else self.name

    def may_use(self, resource: str, action: str) -> bool:
        """Whether its scopes allow an action on a resource, or a task to be run."""
        return self.scopes.allow(resource, action)

    def sees(self, *names: str) -> bool:
        """Whether it may know of what has these names: a model's own, and that of the alias that was asked for."""
        models = self.models
        if models.are_all:
            return True
        for name in names:  # noqa: SIM110 - every call asks, and a generator costs more than the answer
            if models.match(name):
                return True
        return False


#: Somebody unknown where everybody may do everything.
ANONYMOUS = Principal()
#: Somebody unknown where keys are asked for: it may do nothing and sees no model.
NOBODY = Principal(scopes=Scopes(frozenset()), models=ModelPatterns(()))

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
