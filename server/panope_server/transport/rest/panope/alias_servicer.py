"""Aliases as JSON."""

from __future__ import annotations

import grpc
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import alias_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import AliasPath, AliasPathWithBody, NoPath
from panope_registry.models.alias_types import AliasAction
from panope_server.access.principal import recorded_name
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Aliases
from panope_server.transport.rest.json.query import query_of, text_of
from panope_server.transport.rest.json.requests import RequestBody
from panope_server.transport.rest.json.responses import json_response
from panope_server.transport.rest.panope.alias_schemas import (
    MAX_REASON,
    AliasesJson,
    AliasHistoryJson,
    ForgottenAliasJson,
    RollbackBody,
    SetBody,
    alias_event_json,
    alias_json,
)
from panope_server.transport.services import Services

INTERFACE = "rest"
"""Recorded as who changes an alias when the caller is anonymous."""


_SET = RequestBody(SetBody)
_ROLLBACK = RequestBody(RollbackBody)


class AliasRestServicer(pb_grpc.AliasServiceServicer):
    """Serves panope.rest.v1.AliasService."""

    def __init__(self, aliases: Aliases) -> None:
        self._aliases = aliases

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        servicer = cls(services.aliases)
        pb_grpc.add_AliasServiceServicer_to_server(servicer, server)

    async def ListAliases(self, request: NoPath, context: Context) -> HttpBody:
        """Lists aliases."""
        query = query_of(context, ("model",))
        entries = await self._aliases.list(query.get("model", ""))
        return json_response(AliasesJson(aliases=[alias_json(entry) for entry in entries]))

    async def GetAlias(self, request: AliasPath, context: Context) -> HttpBody:
        """Tells about one alias."""
        query_of(context)
        events = await self._aliases.history(request.alias)
        removed = events[0].action is AliasAction.DELETED
        told: AliasHistoryJson = {
            "name": request.alias,
            "model": None if removed else events[0].target_model,
            "variant_digest": events[0].variant_digest or None,
            "version": events[0].version,
            "events": [alias_event_json(event) for event in events],
        }
        return json_response(told)

    async def SetAlias(self, request: AliasPathWithBody, context: Context) -> HttpBody:
        """Points an alias to a model."""
        query_of(context)
        body = _SET.read(request.body)
        entry = await self._aliases.set(
            request.alias,
            body.model,
            variant=body.variant,
            expected=body.expected,
            principal=recorded_name(INTERFACE),
            reason=body.reason,
        )
        return json_response(alias_json(entry))

    async def RollbackAlias(self, request: HttpBody, context: Context) -> HttpBody:
        """Points an alias to where it pointed before."""
        query_of(context)
        body = _ROLLBACK.read(request)
        entry = await self._aliases.rollback(
            body.alias, expected=body.expected, principal=recorded_name(INTERFACE), reason=body.reason
        )
        return json_response(alias_json(entry))

    async def DeleteAlias(self, request: AliasPath, context: Context) -> HttpBody:
        """Forgets an alias."""
        query = query_of(context, ("expected", "reason"))
        await self._aliases.remove(
            request.alias,
            expected=query.get("expected"),
            principal=recorded_name(INTERFACE),
            reason=text_of(query, "reason", most=MAX_REASON),
        )
        return json_response(ForgottenAliasJson(id=request.alias, object="alias", deleted=True))
