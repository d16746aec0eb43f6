"""API keys as the registry knows them; secrets are in none of these."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from panope_registry.access.key_format import ApiKey
from panope_registry.access.limits import Counted, Limit
from panope_registry.access.priority import Priority
from panope_registry.access.scopes import EVERY_MODEL, ModelPatterns, Scopes


@dataclass(frozen=True, kw_only=True)
class KeySpec:
    """What a key is to be.

    Attributes:
        name: for people; of no other key.
        scopes: what it may do.
        models: on which models.
        max_priority: the most urgent that its calls may be.
        limits: how much it may ask for.
        expires_at: when it ends; None for never.
    """

    name: str
    scopes: Scopes
    models: ModelPatterns = EVERY_MODEL
    max_priority: Priority = Priority.HIGH
    limits: tuple[Limit, ...] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class KeyEntry(KeySpec):
    """A key that there is.

    Attributes:
        id: the public part of it.
        created_by: who made it.
        revoked_at: when it was taken back; None while it was not.
        last_used_at: to the minute; None for never.
        secret_count: how many of its secrets are good; two for a while after a rotation.
    """

    id: str
    created_at: datetime
    created_by: str
    revoked_at: datetime | None
    last_used_at: datetime | None
    secret_count: int

    def state(self, moment: datetime) -> str:
        """`active`, `revoked` or `expired`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= moment else "active"


@dataclass(frozen=True)
class SecretDigest:
    """The hash of one secret of a key.

    Attributes:
        expires_at: when a later secret has taken its place; None for the newest.
    """

    digest: str
    pepper_id: str
    expires_at: datetime | None


@dataclass(frozen=True)
class StoredKey:
    """A key with what its callers are checked against."""

    entry: KeyEntry
    secrets: tuple[SecretDigest, ...]


@dataclass(frozen=True)
class IssuedKey:
    """A key that was just made, or whose secret was: the only time that anybody sees it."""

    entry: KeyEntry
    key: ApiKey


def limits_text(limits: Iterable[Limit]) -> list[str]:
    """Limits as tables have them."""
    return [f"{limit.counted} {limit}" for limit in limits]


def limits_of(texts: Iterable[str]) -> tuple[Limit, ...]:
    """Limits from what tables have."""
    return tuple(Limit.parse(text, Counted(counted), "limits") for counted, text in (item.split() for item in texts))
