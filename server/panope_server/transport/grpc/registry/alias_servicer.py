"""AliasService: translates and delegates."""

from __future__ import annotations

import grpc

from panope.v1 import alias_service_pb2 as pb
from panope.v1 import alias_service_pb2_grpc as pb_grpc
from panope_backends.errors import InvalidInputError
from panope_registry.models.alias_types import AliasAction, AliasEntry, AliasEvent
from panope_server.access.principal import recorded_name
from panope_server.transport.grpc.fields import named_model
from panope_server.transport.grpc.registry.model_messages import timestamp
from panope_server.transport.grpc.registry.route_messages import (
    explanation_message,
    policy_message,
    route_of,
    target_messages,
)
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Aliases, Routes
from panope_server.transport.services import Services

INTERFACE = "grpc"
"""Recorded as who changes an alias when the caller is anonymous."""

_ACTIONS = {
    AliasAction.SET: pb.AliasEvent.ACTION_SET,
    AliasAction.ROLLED_BACK: pb.AliasEvent.ACTION_ROLLED_BACK,
    AliasAction.DELETED: pb.AliasEvent.ACTION_DELETED,
}


class AliasServicer(pb_grpc.AliasServiceServicer):
    """Serves panope.v1.AliasService."""

    def __init__(self, aliases: Aliases, routes: Routes) -> None:
        self._aliases = aliases
        self._routes = routes

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        servicer = cls(services.aliases, services.routes)
        pb_grpc.add_AliasServiceServicer_to_server(servicer, server)

    async def ListAliases(self, request: pb.ListAliasesRequest, context: Context) -> pb.ListAliasesResponse:
        """Lists aliases."""
        return pb.ListAliasesResponse(aliases=[_alias(entry) for entry in await self._aliases.list(request.model)])

    async def GetAlias(self, request: pb.GetAliasRequest, context: Context) -> pb.GetAliasResponse:
        """Tells about one alias."""
        events = await self._aliases.history(_named(request.alias))
        return pb.GetAliasResponse(alias=_current(request.alias, events[0]), events=[_event(event) for event in events])

    async def SetAlias(self, request: pb.SetAliasRequest, context: Context) -> pb.SetAliasResponse:
        """Points an alias to a model, or to several targets."""
        expected = request.expected if request.HasField("expected") else None
        route = route_of(request)
        if route is not None:
            entry = await self._aliases.set_route(
                _named(request.alias),
                route,
                expected=expected,
                principal=recorded_name(INTERFACE),
                reason=request.reason,
            )
            return pb.SetAliasResponse(alias=_alias(entry))
        entry = await self._aliases.set(
            _named(request.alias),
            named_model(request.model),
            variant=request.variant,
            expected=expected,
            principal=recorded_name(INTERFACE),
            reason=request.reason,
        )
        return pb.SetAliasResponse(alias=_alias(entry))

    async def RollbackAlias(self, request: pb.RollbackAliasRequest, context: Context) -> pb.RollbackAliasResponse:
        """Points an alias to where it pointed before."""
        expected = request.expected if request.HasField("expected") else None
        entry = await self._aliases.rollback(
            _named(request.alias),
            expected=expected,
            principal=recorded_name(INTERFACE),
            reason=request.reason,
        )
        return pb.RollbackAliasResponse(alias=_alias(entry))

    async def DeleteAlias(self, request: pb.DeleteAliasRequest, context: Context) -> pb.DeleteAliasResponse:
        """Forgets an alias."""
        expected = request.expected if request.HasField("expected") else None
        await self._aliases.remove(
            _named(request.alias),
            expected=expected,
            principal=recorded_name(INTERFACE),
            reason=request.reason,
        )
        return pb.DeleteAliasResponse()

    async def ExplainRoute(self, request: pb.ExplainRouteRequest, context: Context) -> pb.ExplainRouteResponse:
        """Tells which target a user or a request gets, and why."""
        alias = _named(request.alias)
        explanation = await self._routes.explain(alias, user=request.user, request_id=request.request_id)
        events = await self._aliases.history(alias)
        # This server may follow a change within a second only; what it splits by is what is told.
        version = explanation.named.version
        current = next((_current(alias, event) for event in events if event.version == version), None)
        return explanation_message(current or pb.Alias(name=alias, version=version), explanation)

    async def ReportReward(self, request: pb.ReportRewardRequest, context: Context) -> pb.ReportRewardResponse:
        """Counts how good an answer was."""
        await self._routes.report_reward(_named(request.alias), request.target, request.reward)
        return pb.ReportRewardResponse()


def _named(alias: str) -> str:
    if not alias:
        raise InvalidInputError("`alias` is empty", field="alias")
    return alias


def _alias(entry: AliasEntry) -> pb.Alias:
    return pb.Alias(
        name=entry.name,
        model=entry.target_model,
        version=entry.version,
        update_time=timestamp(entry.updated_at),
        variant_digest=entry.variant_digest,
        targets=target_messages(entry),
        policy=policy_message(entry),
    )


def _current(name: str, newest: AliasEvent) -> pb.Alias | None:
    if newest.action is AliasAction.DELETED:
        return None
    return pb.Alias(
        name=name,
        model=newest.target_model,
        version=newest.version,
        update_time=timestamp(newest.created_at),
        variant_digest=newest.variant_digest,
        targets=target_messages(newest),
        policy=policy_message(newest),
    )


def _event(event: AliasEvent) -> pb.AliasEvent:
    return pb.AliasEvent(
        version=event.version,
        action=_ACTIONS[event.action],
        model=event.target_model,
        principal=event.principal,
        reason=event.reason,
        create_time=timestamp(event.created_at),
        variant_digest=event.variant_digest,
        targets=target_messages(event),
        policy=policy_message(event),
    )
