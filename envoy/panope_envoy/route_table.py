"""Which requests reach what: the admin app, the gRPC server, or nothing.

A REST request is routed twice: by its own path first, and, once the transcoder has made gRPC of it, by the method's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from panope_envoy.options import EdgeOptions
from panope_envoy.rest_routes import FACADE, RestRoute, rest_routes
from panope_envoy.typed import Json, typed

LUA = "envoy.filters.http.lua"
CORS = "envoy.filters.http.cors"
TRANSCODER = "envoy.filters.http.grpc_json_transcoder"

SERVER_CLUSTER = "server"
#: The same server, for the requests whose bodies Envoy must hold as a whole, so that their number is bounded.
LARGE_CLUSTER = "server_large"
ADMIN_CLUSTER = "admin"

#: What native gRPC callers may reach; the façade is not for them.
NATIVE_PREFIXES = (
    "/panope.v1.",
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
)

#: Of those, what is for whoever administers the server, by its own port.
ADMIN_PREFIXES = ("/panope.v1.KeyService/", "/panope.v1.CacheService/")

#: Set by the transcoder alone: early_header_mutation takes it from what callers send.
TRANSCODED = "x-envoy-original-method"

_IS_TRANSCODED: Json = {"name": TRANSCODED, "present_match": True}
#: Set by the hook for requests.
_IS_LARGE: Json = {"name": "x-edge-large", "present_match": True}

#: gRPC, and gRPC-Web in both of its forms.
_GRPC: Json = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
_NOT_GRPC: Json = {**_GRPC, "invert_match": True, "treat_missing_header_as_empty": True}

#: What gRPC allows: at most eight digits and a unit.
_TIMEOUT = "[0-9]{1,8}[HMSmun]"
_WRONG_TIMEOUT: Json = {
    "error": {
        "message": "the header `grpc-timeout` must be at most eight digits and one of H, M, S, m, u, n, such as `500m`",
        "type": "invalid_request_error",
        "param": "grpc-timeout",
        "code": "invalid_input",
    }
}

#: Two Host headers arrive as one, with a comma between them.
_TWO_HOSTS: Json = {"name": ":authority", "string_match": {"contains": ","}}
_COMPRESSED: Json = {"name": "content-encoding", "present_match": True}
_NOT_IDENTITY: Json = {"name": "content-encoding", "string_match": {"exact": "identity"}, "invert_match": True}

#: With the segments that it takes.
_VARIABLE = re.compile(r"\{\w+=([^}]*)\}")

#: What scripts of other origins may read of an answer, beside what every script may.
_EXPOSED = (
    *("grpc-status", "grpc-message", "grpc-status-details-bin"),
    *("x-request-id", "retry-after", "retry-after-ms", "x-should-retry", "x-cache", "age"),
    *("x-panope-target", "x-panope-route"),
    # Of files, and of the hub's answers.
    *("accept-ranges", "content-disposition", "content-length", "content-range", "etag", "link", "x-total-count"),
    *("x-error-code", "x-error-message", "x-linked-etag", "x-linked-size", "x-repo-commit"),
)

#: HEAD is answered wherever GET is.
_READ_VERBS = ("GET", "HEAD")
_READS: Json = {"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(_READ_VERBS)}}}

#: Whose errors have a shape of their own; its routes tell the hook for answers.
TEXT_EMBEDDINGS = f"{FACADE}.TextEmbeddingsService"

#: Calls that reached no server: it closed its port, or the connection on which they were, or it was ending, when gRPC
#: says that it cancelled them, by one code or another. They are tried at another server; the one that is gone has the
#: fewest calls and is drawn often.
_RETRIES: Json = {
    "retry_on": "connect-failure,refused-stream,reset-before-request,cancelled,retriable-headers",
    "retriable_headers": [{"name": "grpc-message", "string_match": {"exact": "Cancelling all calls"}}],
    "num_retries": 3,
    "host_selection_retry_max_attempts": 64,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": typed("extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
        }
    ],
}

#: Reads alone, which may be made again even when a server has seen them.
_ADMIN_RETRIES: Json = _RETRIES | {"retry_on": "connect-failure,refused-stream,reset"}

_NO_TRANSCODER: Json = {TRANSCODER: typed("config.route.v3.FilterConfig", disabled=True)}


def route_configuration(options: EdgeOptions) -> Json:
    """The route table."""
    hosts = [_known_host(options)]
    if options.hosts:
        hosts.append(_foreign_host())
    # Ports in Host headers differ behind port forwarding; names are what rebinding is about.
    return {"name": "edge", "ignore_port_in_host_matching": True, "virtual_hosts": hosts}


def _known_host(options: EdgeOptions) -> Json:
    found = rest_routes()
    routes = [
        _wrong_timeout_route(),
        _refusal({"prefix": "/", "headers": [_TWO_HOSTS]}, 400),
        _refusal({"prefix": "/", "headers": [_COMPRESSED, _NOT_IDENTITY, _NOT_GRPC]}, 415),
        *_transcoded_routes(TEXT_EMBEDDINGS),
        *_transcoded_routes(FACADE),
        *(_refusal({"prefix": prefix}, 404) for prefix in ADMIN_PREFIXES),
        *(_grpc_route({"prefix": prefix, "headers": [_verb_is("POST"), _GRPC]}) for prefix in NATIVE_PREFIXES),
        _preflight_route(),
        *(_rest_route(route) for route in found),
        *_admin_routes(options),
        *_file_routes(options),
        *_hub_routes(options),
        *_wrong_verb_routes(found, options),
        _unknown_path_route(),
    ]
    return {
        "name": "panope",
        "domains": list(options.hosts) or ["*"],
        "typed_per_filter_config": {CORS: _cors_policy(options)},
        "routes": routes,
        **({"retry_policy": _RETRIES} if options.servers else {}),
    }


def _foreign_host() -> Json:
    return {"name": "foreign", "domains": ["*"], "routes": [_refusal({"prefix": "/"}, 403)]}


def _grpc_route(match: Json, cluster: str = SERVER_CLUSTER) -> Json:
    return {
        "match": match,
        "route": {
            "cluster": cluster,
            # The default of 15 s would cut long calls; a caller's own grpc-timeout is honoured.
            "timeout": "0s",
            "max_stream_duration": {"grpc_timeout_header_max": "0s"},
        },
    }


def _transcoded_routes(name: str) -> list[Json]:
    """The routes of a package's or a service's methods, large requests apart."""
    service = name if name == TEXT_EMBEDDINGS else ""
    matches = ([_IS_TRANSCODED, _IS_LARGE], LARGE_CLUSTER), ([_IS_TRANSCODED], SERVER_CLUSTER)
    return [
        _grpc_route({"prefix": f"/{name}{'/' if service else '.'}", "headers": headers}, cluster) | _told(service)
        for headers, cluster in matches
    ]


def _rest_route(route: RestRoute) -> Json:
    if route.verb != "GET":
        match = {**_path_match(route), "headers": [_verb_is(route.verb)]}
        return _grpc_route(match) | _told(route.service)
    match = {**_path_match(route), "headers": [_READS]}
    return _grpc_route(match) | _told(route.service, head_as_get=True)


def _told(service: str, *, head_as_get: bool = False) -> Json:
    """What a route tells the hooks: whether a HEAD there is the transcoder's, and in which shape errors are."""
    said = {"head_as_get": head_as_get, "text_embeddings": service == TEXT_EMBEDDINGS}
    said = {name: True for name, holds in said.items() if holds}
    return {"metadata": {"filter_metadata": {LUA: said}}} if said else {}


def _wrong_timeout_route() -> Json:
    """Malformed deadlines, which gRPC's library would answer as a failure of its own; here the header is named."""
    wrong = {"name": "grpc-timeout", "string_match": {"safe_regex": {"regex": _TIMEOUT}}, "invert_match": True}
    refusal = _refusal({"prefix": "/", "headers": [wrong, _NOT_GRPC]}, 400)
    refusal["direct_response"]["body"] = {"inline_string": json.dumps(_WRONG_TIMEOUT)}
    refusal["response_headers_to_add"] = [
        {
            "header": {"key": "content-type", "value": "application/json"},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        }
    ]
    return refusal


def _preflight_route() -> Json:
    """Questions of browsers: the CORS filter answers them, but only on routes that lead somewhere."""
    asks = {"name": "access-control-request-method", "present_match": True}
    return _grpc_route({"prefix": "/", "headers": [_verb_is("OPTIONS"), asks, _NOT_GRPC]})


def _unknown_path_route() -> Json:
    """Everything else: the transcoder answers 404; the route is there for CORS, so that pages can read it."""
    return _grpc_route({"prefix": "/", "headers": [_NOT_GRPC]})


def _admin_routes(options: EdgeOptions) -> list[Json]:
    return [
        {
            "match": {**_exactly(path), "headers": [_READS]},
            "route": _admin_target(options, "10s"),
            "typed_per_filter_config": _NO_TRANSCODER,
        }
        for path in options.admin_paths
    ]


def _file_routes(options: EdgeOptions) -> list[Json]:
    """Files take as long as they take."""
    return [
        {
            "match": {**match, "headers": [_READS]},
            "route": _admin_target(options, "0s"),
            "typed_per_filter_config": _NO_TRANSCODER,
        }
        for match in _file_matches(options)
    ]


def _hub_routes(options: EdgeOptions) -> list[Json]:
    match = {"prefix": options.hub_prefix, "headers": [_NOT_GRPC]}
    # Pages of its lists link to each other by the name that the caller knows.
    target = _admin_target(options, "0s") | {"append_x_forwarded_host": True}
    return [{"match": match, "route": target, "typed_per_filter_config": _NO_TRANSCODER}] if options.hub_prefix else []


def _file_matches(options: EdgeOptions) -> list[Json]:
    matches: list[Json] = [{"prefix": prefix} for prefix in options.file_prefixes]
    return matches + ([{"safe_regex": {"regex": options.file_pattern}}] if options.file_pattern else [])


def _admin_target(options: EdgeOptions, timeout: str) -> Json:
    return {
        "cluster": ADMIN_CLUSTER,
        "timeout": timeout,
        **({"retry_policy": _ADMIN_RETRIES} if options.servers else {}),
        # The admin app refuses names that it does not know; this table has checked the caller's.
        "host_rewrite_literal": "localhost",
    }


def _wrong_verb_routes(found: list[RestRoute], options: EdgeOptions) -> list[Json]:
    """Known paths asked with another method; they come after all right ones."""
    # The narrowest first: wider ones match the same paths and know fewer of the verbs.
    templates = sorted({route.pattern: route.template for route in found}.items(), key=lambda item: _width(item[1]))
    services = {route.template: route.service for route in found}
    refusals = [
        _refusal({"safe_regex": {"regex": pattern}}, 405, _verbs_of(template, found)) | _told(services[template])
        for pattern, template in templates
    ]
    refusals += [_refusal(_exactly(path), 405, _READ_VERBS) for path in options.admin_paths]
    return refusals + [_refusal(match, 405, _READ_VERBS) for match in _file_matches(options)]


def _width(template: str) -> tuple[bool, int]:
    """How much a template takes: any number of segments, or so many."""
    return "**" in template, template.count("*")


def _verbs_of(template: str, found: list[RestRoute]) -> list[str]:
    """What a path takes, by its own routes and by those whose variables match it."""
    path = _VARIABLE.sub(lambda variable: variable.group(1).replace("**", "x/x/x").replace("*", "x"), template)
    verbs = {route.verb for route in found if re.fullmatch(route.pattern, path)}
    return sorted(verbs.union(_READ_VERBS) if "GET" in verbs else verbs)


def _refusal(match: Json, status: int, allowed: Sequence[str] = ()) -> Json:
    """Answers without asking the server; answers.lua writes the body."""
    route: Json = {
        "match": match,
        "direct_response": {"status": status},
        "typed_per_filter_config": _NO_TRANSCODER,
    }
    if allowed:
        route["response_headers_to_add"] = [{"header": {"key": "allow", "value": ", ".join(allowed)}}]
    return route


def _path_match(route: RestRoute) -> Json:
    return {"safe_regex": {"regex": route.pattern}} if "{" in route.template else _exactly(route.template)


def _exactly(path: str) -> Json:
    """A path, with a slash at its end or without one."""
    return {"safe_regex": {"regex": re.escape(path) + "/?"}}


def _verb_is(verb: str) -> Json:
    return {"name": ":method", "string_match": {"exact": verb}}


def _cors_policy(options: EdgeOptions) -> Json:
    return typed(
        "extensions.filters.http.cors.v3.CorsPolicy",
        allow_origin_string_match=[
            {"safe_regex": {"regex": ".*"}} if origin == "*" else {"exact": origin} for origin in options.cors_origins
        ],
        allow_methods="GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        # The wildcard of the Fetch standard covers every header but Authorization.
        allow_headers="*, authorization",
        expose_headers=", ".join(_EXPOSED),
        max_age="7200",
    )
