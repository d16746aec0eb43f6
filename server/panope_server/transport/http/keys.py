"""API keys over plain HTTP, on the admin port alone: Envoy leads nobody there."""

from __future__ import annotations

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from panope_server.transport.http.bodies import body_of
from panope_server.transport.http.files import Handler, told
from panope_server.transport.http.json import json_response
from panope_server.transport.http.key_schemas import CreateKeyBody, KeysJson, RotateKeyBody, issued_json, key_json
from panope_server.transport.interfaces import Keys
from panope_server.transport.key_fields import key_spec
from panope_server.transport.paging import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, after_of, page_of
from panope_server.transport.rest.json.query import boolean_of, number_of, parameters_of
from panope_server.transport.rest.json.requests import RequestBody, refuse_content

_CREATE = RequestBody(CreateKeyBody)
_ROTATE = RequestBody(RotateKeyBody)


def key_routes(keys: Keys) -> list[Route]:
    """The routes."""

    async def listed(request: Request) -> Response:
        query = parameters_of(request.url.query, ("after", "limit", "include_ended"))
        size = number_of(query, "limit", default=DEFAULT_PAGE_SIZE, least=1, most=MAX_PAGE_SIZE)
        found = await keys.list(
            include_ended=boolean_of(query, "include_ended") or False,
            after=after_of(query.get("after", ""), "after"),
            limit=size + 1,
        )
        page, token = page_of(found, size, lambda entry: entry.name)
        return json_response(KeysJson(keys=[key_json(entry) for entry in page], next=token or None))

    async def create(request: Request) -> Response:
        body = _CREATE.read(await body_of(request))
        spec = key_spec(
            body.name,
            body.scopes,
            body.models,
            body.request_limits,
            body.token_limits,
            body.max_priority or "",
            body.expires_at,
        )
        return json_response(issued_json(await keys.create(spec)), 201, _SECRET)

    async def get(request: Request) -> Response:
        return json_response(key_json(await keys.get(request.path_params["key"])))

    async def rotate(request: Request) -> Response:
        body = _ROTATE.read(await body_of(request))
        issued = await keys.rotate(request.path_params["key"], timedelta(seconds=body.grace_seconds))
        return json_response(issued_json(issued), headers=_SECRET)

    async def revoke(request: Request) -> Response:
        refuse_content(await body_of(request))
        return json_response(key_json(await keys.revoke(request.path_params["key"])))

    found: list[tuple[str, str, Handler]] = [
        ("GET", "/v1/keys", listed),
        ("POST", "/v1/keys", create),
        ("GET", "/v1/keys/{key}", get),
        ("POST", "/v1/keys/{key}/rotate", rotate),
        ("POST", "/v1/keys/{key}/revoke", revoke),
    ]
    return [Route(path, told(handler), methods=[verb]) for verb, path, handler in found]


#: No cache on the way may keep a key.
_SECRET = {"cache-control": "no-store"}
