"""What callers have used, as JSON."""

from __future__ import annotations

import grpc
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import usage_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import NoPath
from panope_registry.serving_records.usage import UsageFilter
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Usage
from panope_server.transport.paging import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from panope_server.transport.rest.json.query import number_of, query_of, text_of
from panope_server.transport.rest.json.responses import json_response
from panope_server.transport.services import Services
from panope_server.transport.usage_json import UsageSumsJson, dimensions_of, moment_of, usage_sum_json

MAX_OFFSET = 10**9
MAX_WORD = 200
"""Characters of what is asked for by name."""


class UsageRestServicer(pb_grpc.UsageServiceServicer):
    """Serves panope.rest.v1.UsageService."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        pb_grpc.add_UsageServiceServicer_to_server(cls(services.usage), server)

    async def ListUsage(self, request: NoPath, context: Context) -> HttpBody:
        """Lists what was used."""
        query = query_of(context, ("since", "until", "by", "key", "model", "task", "limit", "after"))
        limit = number_of(query, "limit", default=DEFAULT_PAGE_SIZE, least=1, most=MAX_PAGE_SIZE)
        only = UsageFilter(
            since=moment_of(query.get("since", ""), "since"),
            until=moment_of(query.get("until", ""), "until"),
            principal=text_of(query, "key", most=MAX_WORD) if "key" in query else None,
            model=text_of(query, "model", most=MAX_WORD),
            task=text_of(query, "task", most=MAX_WORD),
        )
        found = await self._usage.sums(
            only,
            by=dimensions_of(query.get("by", "")),
            offset=number_of(query, "after", default=0, most=MAX_OFFSET),
            limit=limit + 1,
        )
        told = UsageSumsJson(usage=[usage_sum_json(each) for each in found[:limit]], has_more=len(found) > limit)
        return json_response(told)
