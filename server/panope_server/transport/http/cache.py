"""The response cache over plain HTTP, on the admin port alone: Envoy leads nobody there."""

from __future__ import annotations

from typing import TypedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from panope_server.transport.http.bodies import body_of
from panope_server.transport.http.files import told
from panope_server.transport.http.json import json_response
from panope_server.transport.interfaces import ResponseCache
from panope_server.transport.rest.json.query import parameters_of
from panope_server.transport.rest.json.requests import refuse_content


class ModelCacheJson(TypedDict):
    """How well the cache does for one model; answers to single texts or whole calls.

    Attributes:
        hits: answers that were kept and given again.
        misses: answers that could be kept and were computed.
        joined: answers that were computed for an equal call already.
    """

    model: str
    hits: int
    misses: int
    joined: int


class CacheJson(TypedDict):
    """How well the cache does, since the server started.

    Attributes:
        entries: answers in this server's memory.
        size_bytes: memory that they take.
        max_bytes: memory that they may take.
        shared: whether there is a store that servers share, too.
        models: those that the caller sees, by name.
        evicted: answers that went for want of room.
        expired: answers that went after their time.
        shared_failures: what the shared store did not do.
        flushes: how often all was forgotten.
    """

    entries: int
    size_bytes: int
    max_bytes: int
    shared: bool
    models: list[ModelCacheJson]
    evicted: int
    expired: int
    shared_failures: int
    flushes: int


class FlushedJson(TypedDict):
    """What was forgotten.

    Attributes:
        flushed: answers that this server's memory held.
    """

    flushed: int


def cache_routes(cache: ResponseCache) -> list[Route]:
    """The routes."""

    async def statistics(request: Request) -> Response:
        parameters_of(request.url.query, ())
        return json_response(_json(cache))

    async def flush(request: Request) -> Response:
        refuse_content(await body_of(request))
        return json_response(FlushedJson(flushed=await cache.flush()))

    return [
        Route("/v1/cache", told(statistics), methods=["GET"]),
        Route("/v1/cache/flush", told(flush), methods=["POST"]),
    ]


def _json(cache: ResponseCache) -> CacheJson:
    found = cache.statistics()
    return {
        "entries": found.entries,
        "size_bytes": found.size_bytes,
        "max_bytes": found.max_bytes,
        "shared": found.is_shared,
        "models": [
            {"model": name, "hits": counts.hits, "misses": counts.misses, "joined": counts.joined}
            for name, counts in sorted(found.models.items())
        ],
        "evicted": found.evictions.get("capacity", 0),
        "expired": found.evictions.get("expired", 0),
        "shared_failures": sum(found.shared_failures.values()),
        "flushes": found.flushes,
    }
