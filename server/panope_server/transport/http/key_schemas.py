"""Keys in JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta, Struct

from panope_registry.access.key_types import IssuedKey, KeyEntry
from panope_registry.access.keys import MAX_LIMITS, MAX_NAME_LENGTH
from panope_registry.access.limits import Counted
from panope_registry.access.scopes import MAX_PATTERNS, MAX_SCOPES
from panope_registry.tables.columns import now
from panope_server.transport.key_fields import limit_texts

#: A hundred years.
MAX_GRACE_SECONDS = 100 * 365 * 86_400

_Word = Annotated[str, Meta(min_length=1, max_length=200)]
_Limits = Annotated[list[_Word], Meta(max_length=MAX_LIMITS)]
StateJson = Literal["active", "revoked", "expired"]
PriorityJson = Literal["low", "normal", "high"]


class CreateKeyBody(Struct, forbid_unknown_fields=True):
    """The body of POST /v1/keys.

    Attributes:
        name: for people; of no other key.
        scopes: what it may do, such as `embed:*`, `models:read` or `admin`.
        models: the models and aliases that it sees, such as `acme/*`; all when not given.
        request_limits: how many requests it may make, such as `100/s`.
        token_limits: how many tokens it may use, such as `1M/day`.
        max_priority: the most urgent that its calls may be; the caller's own when not given.
        expires_at: when it ends, in RFC 3339; never when not given.
    """

    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME_LENGTH)]
    scopes: Annotated[list[_Word], Meta(min_length=1, max_length=MAX_SCOPES)]
    models: Annotated[list[_Word], Meta(max_length=MAX_PATTERNS)] = []
    request_limits: _Limits = []
    token_limits: _Limits = []
    max_priority: PriorityJson | None = None
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class RotateKeyBody(Struct, forbid_unknown_fields=True):
    """The body of POST /v1/keys/{key}/rotate.

    Attributes:
        grace_seconds: how long the secret before stays good.
    """

    grace_seconds: Annotated[float, Meta(ge=0, le=MAX_GRACE_SECONDS)] = 86_400.0


class KeyJson(TypedDict):
    """A key; times are in RFC 3339, and null for never.

    Attributes:
        id: the public part of the key.
        secret_count: how many of its secrets are good; two for a while after a rotation.
        last_used_at: to the minute.
        api_key: the key itself, which nobody is told again: of one that was just made, or has a new secret.
    """

    id: str
    name: str
    state: StateJson
    scopes: list[str]
    models: list[str]
    request_limits: list[str]
    token_limits: list[str]
    max_priority: PriorityJson
    secret_count: int
    created_by: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None
    api_key: NotRequired[str]


class KeysJson(TypedDict):
    """Keys by name.

    Attributes:
        next: what to send as `after` for the next page; null when there is none.
    """

    keys: list[KeyJson]
    next: str | None


def key_json(entry: KeyEntry) -> KeyJson:
    """A key without its secret."""
    return {
        "id": entry.id,
        "name": entry.name,
        "state": entry.state(now()),  # type: ignore[typeddict-item]  # one of these words
        "scopes": entry.scopes.texts,
        "models": list(entry.models.texts),
        "request_limits": limit_texts(entry, Counted.REQUESTS),
        "token_limits": limit_texts(entry, Counted.TOKENS),
        "max_priority": entry.max_priority.word,  # type: ignore[typeddict-item]  # one of these words
        "secret_count": entry.secret_count,
        "created_by": entry.created_by,
        "created_at": entry.created_at.isoformat(),
        "expires_at": _time(entry.expires_at),
        "revoked_at": _time(entry.revoked_at),
        "last_used_at": _time(entry.last_used_at),
    }


def issued_json(issued: IssuedKey) -> KeyJson:
    """A key with its secret."""
    return {**key_json(issued.entry), "api_key": str(issued.key)}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
