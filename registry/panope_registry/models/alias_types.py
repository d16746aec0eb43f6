"""Aliases and their changes as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from panope_registry.models.routes import Route


class AliasAction(StrEnum):
    """The changes of an alias."""

    SET = "set"
    ROLLED_BACK = "rolled_back"
    DELETED = "deleted"


@dataclass(frozen=True)
class AliasEntry:
    """An alias and what it points to.

    Attributes:
        name: `name` or `vendor/name`.
        target_model: the model's name.
        variant_digest: of the model's variant that is meant; empty lets the server choose.
        version: counts the changes of this name from 1, over removals too.
        updated_at: when it was last pointed somewhere.
        route: how calls are split among several targets, of which the first is told above; None for one target.
    """

    name: str
    target_model: str
    variant_digest: str
    version: int
    updated_at: datetime
    route: Route | None = None

    @property
    def target(self) -> str:
        """What `expected` is compared with: `vendor/name`, `vendor/name@digest`, or those of a route with weights."""
        return alias_target(self.target_model, self.variant_digest) if self.route is None else self.route.text

    @property
    def target_models(self) -> tuple[str, ...]:
        """The models of all targets, each once."""
        return models_of(self.target_model, self.route)


@dataclass(frozen=True)
class AliasEvent:
    """One change of an alias.

    Attributes:
        version: counts the changes of this name from 1.
        target_model: empty for a removal.
        variant_digest: empty when the server may choose.
        principal: made the change.
        reason: why, in their words.
        route: as of `AliasEntry`.
    """

    alias: str
    version: int
    action: AliasAction
    target_model: str
    variant_digest: str
    principal: str
    reason: str
    created_at: datetime
    route: Route | None = None

    @property
    def target(self) -> str:
        """As of `AliasEntry`; empty for a removal."""
        return alias_target(self.target_model, self.variant_digest) if self.route is None else self.route.text

    @property
    def target_models(self) -> tuple[str, ...]:
        """The models of all targets, each once."""
        return models_of(self.target_model, self.route)


def alias_target(model_name: str, variant_digest: str) -> str:
    """Writes what an alias points to: `vendor/name`, or `vendor/name@digest`."""
    return f"{model_name}@{variant_digest}" if variant_digest else model_name


def models_of(target_model: str, route: Route | None) -> tuple[str, ...]:
    """The models of an alias's targets, each once."""
    return (target_model,) if route is None else tuple(dict.fromkeys(target.model for target in route.targets))
