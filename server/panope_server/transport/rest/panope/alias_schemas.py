"""Aliases in JSON."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import UNSET, Meta, Struct, UnsetType

from panope_registry.models.alias_types import AliasEntry, AliasEvent
from panope_registry.models.routes import MAX_TARGETS
from panope_server.transport.rest.panope.route_schemas import (
    PolicyBody,
    PolicyJson,
    TargetBody,
    TargetJson,
    policy_json,
    targets_json,
)

MAX_REASON = 1000
MAX_EXPECTED = 8192

_Word = Annotated[str, Meta(min_length=1, max_length=200)]
_WordOrNone = Annotated[str, Meta(max_length=200)]
#: All targets of an alias, each with its variant's digest and its weight.
_Expected = Annotated[str, Meta(max_length=MAX_EXPECTED)]
_Reason = Annotated[str, Meta(max_length=MAX_REASON)]


class SetBody(Struct, forbid_unknown_fields=True):
    """The body of PUT /v1/aliases/{alias}: a `model`, or several `targets`, among which its calls are split.

    `expected` is empty for an alias that must not exist.
    """

    model: _Word | UnsetType = UNSET
    variant: _WordOrNone = ""
    targets: Annotated[list[TargetBody], Meta(max_length=MAX_TARGETS)] = []
    policy: PolicyBody | UnsetType = UNSET
    expected: _Expected | None = None
    reason: _Reason = ""


class RollbackBody(Struct, forbid_unknown_fields=True):
    """The body of POST /v1/aliases/rollback."""

    alias: _Word
    expected: _Expected | None = None
    reason: _Reason = ""


class AliasJson(TypedDict):
    """Where an alias points.

    Attributes:
        variant_digest: null for the model as a whole.
        targets: all of an alias with several, of which `model` is the first; else empty.
        policy: how calls are split among them; null for one target.
        version: counts the alias's changes.
        updated_at: in RFC 3339.
    """

    name: str
    model: str
    variant_digest: str | None
    targets: list[TargetJson]
    policy: PolicyJson | None
    version: int
    updated_at: str


class AliasesJson(TypedDict):
    """Aliases by name."""

    aliases: list[AliasJson]


class AliasEventJson(TypedDict):
    """A change of an alias.

    Attributes:
        principal: who made it.
    """

    version: int
    action: str
    model: str | None
    variant_digest: str | None
    targets: list[TargetJson]
    policy: PolicyJson | None
    principal: str
    reason: str
    created_at: str


class AliasHistoryJson(TypedDict):
    """An alias and every change of it, the newest first; `model` is null once it was forgotten."""

    name: str
    model: str | None
    variant_digest: str | None
    targets: list[TargetJson]
    policy: PolicyJson | None
    version: int
    events: list[AliasEventJson]


class ForgottenAliasJson(TypedDict):
    """An alias that is gone."""

    id: str
    object: Literal["alias"]
    deleted: Literal[True]


def alias_json(entry: AliasEntry) -> AliasJson:
    """An alias."""
    return {
        "name": entry.name,
        "model": entry.target_model,
        "variant_digest": entry.variant_digest or None,
        "targets": targets_json(entry),
        "policy": policy_json(entry),
        "version": entry.version,
        "updated_at": entry.updated_at.isoformat(),
    }


def alias_event_json(event: AliasEvent) -> AliasEventJson:
    """A change of an alias."""
    return {
        "version": event.version,
        "action": event.action.value,
        "model": event.target_model or None,
        "variant_digest": event.variant_digest or None,
        "targets": targets_json(event),
        "policy": policy_json(event),
        "principal": event.principal,
        "reason": event.reason,
        "created_at": event.created_at.isoformat(),
    }
