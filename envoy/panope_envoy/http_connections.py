"""The HTTP connection manager: what is accepted from the network and which filters it passes."""

from __future__ import annotations

import base64
from importlib.resources import files

from panope_envoy.options import EdgeOptions
from panope_envoy.rest_routes import descriptors, rest_routes
from panope_envoy.route_table import CORS, LUA, TRANSCODED, TRANSCODER, route_configuration
from panope_envoy.tokens import token_filters
from panope_envoy.typed import Json, typed

STAT_PREFIX = "edge"

COMPRESSOR = "envoy.filters.http.compressor"

#: Where the request-id hook finds a new id, should the caller's be missing or malformed.
_FRESH_ID = "x-edge-fresh-id"


def connection_manager(options: EdgeOptions) -> Json:
    """The network filter of the one listener."""
    manager = typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=STAT_PREFIX,
        codec_type="AUTO",
        server_name="panope",
        route_config=route_configuration(options),
        http_filters=_filters(options),
        early_header_mutation_extensions=[_early_headers()],
        http_protocol_options=_http_1_0(options),
        local_reply_config={"mappers": [_own_reply(to_head=True), _own_reply(to_head=False)]},
        **_paths(),
        **_request_ids(),
        **_limits(options),
    )
    if options.access_log:
        manager["access_log"] = [_access_log(options.access_log)]
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}


def _paths() -> Json:
    return {
        "normalize_path": True,
        "merge_slashes": True,
        # `vendor%2Fname`, as the openai client writes a model's name, is `vendor/name` everywhere behind this line,
        # and dots behind an escaped slash are resolved before a route is chosen.
        "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD",
    }


def _http_1_0(options: EdgeOptions) -> Json:
    """Old health checks and proxies speak HTTP/1.0, which needs no Host header."""
    return {"accept_http_10": True, "default_host_for_http_10": (options.hosts or ("localhost",))[0]}


def _request_ids() -> Json:
    return {"preserve_external_request_id": True, "always_set_request_id_in_response": True}


def _limits(options: EdgeOptions) -> Json:
    return {
        "use_remote_address": True,
        "max_request_headers_kb": 16,
        "request_headers_timeout": "10s",
        # It ends with the first byte of the answer, which the server sends at once where a request is a stream.
        "request_timeout": f"{options.request_seconds}s",
        "stream_idle_timeout": f"{options.idle_seconds}s",
        "common_http_protocol_options": {
            "idle_timeout": f"{options.connection_idle_seconds}s",
            "max_headers_count": 64,
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 128,
            "initial_stream_window_size": 256 << 10,
            "initial_connection_window_size": 1 << 20,
        },
    }


def _early_headers() -> Json:
    """Takes away what only the edge may say, before anything reads it."""
    mutations: list[Json] = [
        {"remove": TRANSCODED},
        {"remove": "x-envoy-original-path"},
        {"remove_on_match": {"key_matcher": {"prefix": "x-edge-", "ignore_case": True}}},
        # Names that HTTP allows and gRPC does not: nobody reads such headers, and the call would fail by them.
        {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": "[^:].*[^A-Za-z0-9._-].*|[^:A-Za-z0-9._-].*"}}}},
        {
            "append": {
                "header": {"key": _FRESH_ID, "value": "%UNIQUE_ID%"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        },
    ]
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": typed(
            "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation", mutations=mutations
        ),
    }


def _own_reply(*, to_head: bool) -> Json:
    """What Envoy's own answers get, which may come before the hook for requests has run: an id, and HEAD's a mark."""
    is_head = {"name": ":method", "string_match": {"exact": "HEAD"}, "invert_match": not to_head}
    headers = {"x-request-id": "%UNIQUE_ID%", **({"x-edge-head": "true"} if to_head else {})}
    return {
        "filter": {"header_filter": {"header": {**is_head, "treat_missing_header_as_empty": True}}},
        "headers_to_add": [
            {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for key, value in headers.items()
        ],
    }


def _filters(options: EdgeOptions) -> list[Json]:
    """In the order in which a request passes them; an answer passes them in reverse, so that Lua sees every error."""
    return [
        {"name": LUA, "typed_config": _lua(options)},
        {"name": COMPRESSOR, "typed_config": _compressor()},
        {"name": "envoy.filters.http.grpc_web", "typed_config": typed("extensions.filters.http.grpc_web.v3.GrpcWeb")},
        {"name": CORS, "typed_config": typed("extensions.filters.http.cors.v3.Cors")},
        *token_filters(options),
        {"name": TRANSCODER, "typed_config": _transcoder(options)},
        {
            "name": "envoy.filters.http.router",
            "typed_config": typed("extensions.filters.http.router.v3.Router", suppress_envoy_headers=True),
        },
    ]


def lua_source(options: EdgeOptions) -> str:
    """The script of both hooks."""
    folder = files("panope_envoy")
    hooks = (folder.joinpath(name).read_text() for name in ("requests.lua", "answers.lua"))
    script = "\n".join(hooks).replace("@MAX_BODY_BYTES@", f"{options.max_body_bytes:,}")
    script = script.replace("@CLIENT_CERTIFICATES@", "true" if options.client_certificates else "false")
    # Answers differ by origin as soon as some origin may read them, which shared caches must know.
    return script.replace("@ORIGIN_MATTERS@", "true" if options.cors_origins else "false")


def _lua(options: EdgeOptions) -> Json:
    return typed("extensions.filters.http.lua.v3.Lua", default_source_code={"inline_string": lua_source(options)})


def _compressor() -> Json:
    """gzip, for callers that take it. Errors are left as they are, for the hook for answers reads them."""
    compressed = {
        "common_config": {"min_content_length": 1024},
        "disable_on_etag_header": True,
        "uncompressible_response_codes": list(range(400, 600)),
    }
    # Vectors are most of what is sent, and hardly get smaller with more effort.
    gzip = typed("extensions.compression.gzip.compressor.v3.Gzip", compression_level="BEST_SPEED")
    return typed(
        "extensions.filters.http.compressor.v3.Compressor",
        response_direction_config=compressed,
        compressor_library={"name": "gzip", "typed_config": gzip},
    )


def _transcoder(options: EdgeOptions) -> Json:
    return typed(
        "extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        proto_descriptor_bin=base64.b64encode(descriptors()).decode(),
        services=list(dict.fromkeys(route.service for route in rest_routes())),
        convert_grpc_status=True,
        # The façade refuses unknown parameters by name; here they would only make the path not match.
        ignore_unknown_query_parameters=True,
        url_unescape_spec="ALL_CHARACTERS",
        request_validation_options={"reject_unknown_method": True},
        max_request_body_size=options.max_body_bytes,
        # Past this a good answer would become a 500; the vectors of the largest batch of a large model take 92 MB.
        max_response_body_size=256 << 20,
    )


def _access_log(path: str) -> Json:
    """No header that may hold a secret is written."""
    line = {
        "time": "%START_TIME%",
        "method": "%REQ(X-ENVOY-ORIGINAL-METHOD?:METHOD)%",
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "protocol": "%PROTOCOL%",
        "status": "%RESPONSE_CODE%",
        "reason": "%RESPONSE_CODE_DETAILS%",
        "request_bytes": "%BYTES_RECEIVED%",
        "response_bytes": "%BYTES_SENT%",
        "duration_ms": "%DURATION%",
        "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "request_id": "%REQ(X-REQUEST-ID)%",
    }
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": typed(
            "extensions.access_loggers.file.v3.FileAccessLog", path=path, log_format={"json_format": line}
        ),
    }
