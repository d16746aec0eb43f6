"""Aliases as JSON."""

from __future__ import annotations

import grpc
from google.api.httpbody_pb2 import HttpBody
from msgspec import UNSET

from panope.rest.v1 import alias_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import AliasPath, AliasPathWithBody, NoPath
from panope_backends.errors import InvalidInputError
from panope_registry.models.alias_types import AliasAction, AliasEntry
from panope_server.access.principal import recorded_name
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Aliases, Routes
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
from panope_server.transport.rest.panope.route_schemas import (
    ExplainBody,
    RewardBody,
    RewardJson,
    explanation_json,
    policy_json,
    route_of_body,
    targets_json,
)
from panope_server.transport.services import Services

INTERFACE = "rest"
"""Recorded as who changes an alias when the caller is anonymous."""


_SET = RequestBody(SetBody)
_ROLLBACK = RequestBody(RollbackBody)
_EXPLAIN = RequestBody(ExplainBody)
_REWARD = RequestBody(RewardBody)


class AliasRestServicer(pb_grpc.AliasServiceServicer):
    """Serves panope.rest.v1.AliasService."""

    def __init__(self, aliases: Aliases, routes: Routes) -> None:
        self._aliases = aliases
        self._routes = routes

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        servicer = cls(services.aliases, services.routes)
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
            "targets": targets_json(events[0]),
            "policy": policy_json(events[0]),
            "version": events[0].version,
            "events": [alias_event_json(event) for event in events],
        }
        return json_response(told)

    async def SetAlias(self, request: AliasPathWithBody, context: Context) -> HttpBody:
        """Points an alias to a model, or to several targets."""
        query_of(context)
        body = _SET.read(request.body)
        if body.targets or body.model is UNSET:
            return json_response(alias_json(await self._set_route(request.alias, body)))
        if body.policy is not UNSET:
            raise InvalidInputError.at("policy", "{field} is for several targets, and there are none")
        entry = await self._aliases.set(
            request.alias,
            body.model,
            variant=body.variant,
            expected=body.expected,
            principal=recorded_name(INTERFACE),
            reason=body.reason,
        )
        return json_response(alias_json(entry))

    async def _set_route(self, alias: str, body: SetBody) -> AliasEntry:
        for name, is_given in (("model", body.model is not UNSET), ("variant", bool(body.variant))):
            if is_given:
                raise InvalidInputError.at(name, "{field} is for one target; write it among `targets`")
        if not body.targets:
            raise InvalidInputError.at("model", "{field} is missing, and so are `targets`")
        return await self._aliases.set_route(
            alias,
            route_of_body(body.targets, body.policy),
            expected=body.expected,
            principal=recorded_name(INTERFACE),
            reason=body.reason,
        )

    async def ExplainRoute(self, request: HttpBody, context: Context) -> HttpBody:
        """Tells which target a user or a request gets, and why."""
        query_of(context)
        body = _EXPLAIN.read(request)
        explanation = await self._routes.explain(body.alias, user=body.user, request_id=body.request_id)
        return json_response(explanation_json(explanation))

    async def ReportReward(self, request: HttpBody, context: Context) -> HttpBody:
        """Counts how good an answer was."""
        query_of(context)
        body = _REWARD.read(request)
        await self._routes.report_reward(body.alias, body.target, body.reward)
        return json_response(RewardJson(object="reward"))

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
