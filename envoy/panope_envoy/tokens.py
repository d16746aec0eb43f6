"""JSON Web Tokens of an issuer elsewhere: checked here, their claims told to the server in a header of the edge's own.

A token that is not good says nothing: the call goes on as one without, and the server decides what those may do. So API
keys, which come in the same header, pass. What the server is told, callers cannot say: `early_header_mutation` takes
the header from requests, and the server believes it on Envoy's own socket alone.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from panope_envoy.options import TOKEN_KEYS_PATH, EdgeOptions, TokenIssuer
from panope_envoy.route_table import ADMIN_CLUSTER
from panope_envoy.typed import Json, socket_address, typed

JWT = "envoy.filters.http.jwt_authn"

#: The claims of a good token, as base64url of JSON.
CLAIMS_HEADER = "x-edge-token-claims"

KEYS_CLUSTER = "token_keys"

_PROVIDER = "issuer"
_OWN_KEYS = f"http://localhost{TOKEN_KEYS_PATH}"


def token_filters(options: EdgeOptions) -> list[Json]:
    """The filter that checks tokens; none where nobody's are taken."""
    if options.token_issuer is None:
        return []
    anything: Json = {"requires_any": {"requirements": [{"provider_name": _PROVIDER}, {"allow_missing_or_failed": {}}]}}
    config = typed(
        "extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        providers={_PROVIDER: _provider(options.token_issuer)},
        rules=[{"match": {"prefix": "/"}, "requires": anything}],
        bypass_cors_preflight=True,
    )
    return [{"name": JWT, "typed_config": config}]


def token_clusters(options: EdgeOptions) -> list[Json]:
    """Where the issuer's keys are, unless the admin app has them."""
    issuer = options.token_issuer
    if issuer is None or not issuer.jwks:
        return []
    url = urlsplit(issuer.jwks)
    host, is_tls = url.hostname or "", url.scheme == "https"
    address = socket_address(host, url.port or (443 if is_tls else 80))
    cluster: Json = {
        "name": KEYS_CLUSTER,
        "type": "STRICT_DNS",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": KEYS_CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
    return [cluster | (_tls(host, issuer.ca_file) if is_tls else {})]


def _provider(issuer: TokenIssuer) -> Json:
    return {
        "issuer": issuer.issuer,
        "audiences": list(issuer.audiences),
        # By default they may stand in the query too, which logs keep.
        "from_headers": [{"name": "authorization", "value_prefix": prefix} for prefix in ("Bearer ", "bearer ")],
        "forward_payload_header": CLAIMS_HEADER,
        # One that never ends could not be taken back.
        "require_expiration": True,
        **_keys(issuer.jwks),
    }


def _keys(jwks: str) -> Json:
    # A file goes this way too: Envoy would read it at its start alone, also with `watched_directory`.
    uri, cluster, kept = (jwks, KEYS_CLUSTER, "300s") if jwks else (_OWN_KEYS, ADMIN_CLUSTER, "5s")
    return {
        "remote_jwks": {
            "http_uri": {"uri": uri, "cluster": cluster, "timeout": "5s"},
            "cache_duration": kept,
            # Beside the calls: else each of them could make this server ask the issuer, and would wait for it.
            "async_fetch": {},
        }
    }


def _tls(host: str, ca_file: str) -> Json:
    context = typed(
        "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        sni=host,
        common_tls_context={
            "validation_context": {
                "trusted_ca": {"filename": ca_file},
                "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": host}}],
            }
        },
    )
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}
