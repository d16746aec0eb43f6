"""Aliases and their changes as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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
    """

    name: str
    target_model: str
    variant_digest: str
    version: int
    updated_at: datetime

    @property
    def target(self) -> str:
        """What `expected` is compared with: `vendor/name`, or `vendor/name@digest`."""
        return alias_target(self.target_model, self.variant_digest)


@dataclass(frozen=True)
class AliasEvent:
    """One change of an alias.

    Attributes:
        version: counts the changes of this name from 1.
        target_model: empty for a removal.
        variant_digest: empty when the server may choose.
        principal: made the change.
        reason: why, in their words.
    """

    alias: str
    version: int
    action: AliasAction
    target_model: str
    variant_digest: str
    principal: str
    reason: str
    created_at: datetime


def alias_target(model_name: str, variant_digest: str) -> str:
    """Writes what an alias points to: `vendor/name`, or `vendor/name@digest`."""
    return f"{model_name}@{variant_digest}" if variant_digest else model_name
