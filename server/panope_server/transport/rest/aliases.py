"""Aliases as JSON."""

from __future__ import annotations

from typing import Annotated

from google.api.httpbody_pb2 import HttpBody
from msgspec import Meta, Struct

from panope.rest.v1 import alias_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import AliasPath, AliasPathWithBody, NoPath
from panope_registry.models.aliases import AliasAction, AliasEntry, AliasEvent
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Aliases
from panope_server.transport.rest.answers import (
    AliasesJson,
    AliasEventJson,
    AliasHistoryJson,
    AliasJson,
    ForgottenAliasJson,
)
from panope_server.transport.rest.json.bodies import Body, json_body
from panope_server.transport.rest.json.query import query_of, text_of

WHO = "rest"
"""Who changes an alias, as far as is known."""

_Word = Annotated[str, Meta(min_length=1, max_length=200)]
_WordOrNone = Annotated[str, Meta(max_length=200)]
_MAX_REASON = 1000
_Reason = Annotated[str, Meta(max_length=_MAX_REASON)]


class SetBody(Struct, forbid_unknown_fields=True):
    """The body of PUT /v1/aliases/{alias}; `expected` is empty for an alias that must not exist."""

    model: _Word
    variant: _WordOrNone = ""
    expected: _WordOrNone | None = None
    reason: _Reason = ""


class RollbackBody(Struct, forbid_unknown_fields=True):
    """The body of POST /v1/aliases/rollback."""

    alias: _Word
    expected: _WordOrNone | None = None
    reason: _Reason = ""


_SET = Body(SetBody)
_ROLLBACK = Body(RollbackBody)


class AliasRestServicer(pb_grpc.AliasServiceServicer):
    """Serves panope.rest.v1.AliasService."""

    def __init__(self, aliases: Aliases) -> None:
        self._aliases = aliases

    async def ListAliases(self, request: NoPath, context: Context) -> HttpBody:
        """Lists aliases."""
        query = query_of(context, ("model",))
        entries = await self._aliases.list(query.get("model", ""))
        return json_body(AliasesJson(aliases=[_alias(entry) for entry in entries]))

    async def GetAlias(self, request: AliasPath, context: Context) -> HttpBody:
        """Tells about one alias."""
        query_of(context)
        events = await self._aliases.history(request.alias)
        removed = events[0].action is AliasAction.REMOVED
        told: AliasHistoryJson = {
            "name": request.alias,
            "model": None if removed else events[0].target_model,
            "variant": events[0].variant_digest or None,
            "version": events[0].version,
            "events": [_event(event) for event in events],
        }
        return json_body(told)

    async def SetAlias(self, request: AliasPathWithBody, context: Context) -> HttpBody:
        """Points an alias to a model."""
        query_of(context)
        body = _SET.read(request.body)
        entry = await self._aliases.set(
            request.alias, body.model, variant=body.variant, expected=body.expected, who=WHO, reason=body.reason
        )
        return json_body(_alias(entry))

    async def RollbackAlias(self, request: HttpBody, context: Context) -> HttpBody:
        """Points an alias to where it pointed before."""
        query_of(context)
        body = _ROLLBACK.read(request)
        entry = await self._aliases.rollback(body.alias, expected=body.expected, who=WHO, reason=body.reason)
        return json_body(_alias(entry))

    async def DeleteAlias(self, request: AliasPath, context: Context) -> HttpBody:
        """Forgets an alias."""
        query = query_of(context, ("expected", "reason"))
        await self._aliases.remove(
            request.alias, expected=query.get("expected"), who=WHO, reason=text_of(query, "reason", most=_MAX_REASON)
        )
        return json_body(ForgottenAliasJson(id=request.alias, object="alias", deleted=True))


def _alias(entry: AliasEntry) -> AliasJson:
    return {
        "name": entry.name,
        "model": entry.target_model,
        "variant": entry.variant_digest or None,
        "version": entry.version,
        "changed_at": entry.changed_at.isoformat(),
    }


def _event(event: AliasEvent) -> AliasEventJson:
    return {
        "version": event.version,
        "action": event.action.value,
        "model": event.target_model or None,
        "variant": event.variant_digest or None,
        "who": event.who,
        "reason": event.reason,
        "at": event.at.isoformat(),
    }
