"""Envoy's whole configuration, made from the options and the descriptors; nothing of it is kept as a file."""

from __future__ import annotations

from collections.abc import Sequence

from panope_envoy.http_connections import connection_manager
from panope_envoy.options import EdgeOptions
from panope_envoy.overload import overload_manager
from panope_envoy.route_table import ADMIN_CLUSTER, LARGE_CLUSTER, SERVER_CLUSTER
from panope_envoy.secrets import transport_socket
from panope_envoy.tokens import token_clusters
from panope_envoy.typed import Json, pipe, socket_address, typed

_OWNER_ONLY = 0o600

#: Of a cluster; Envoy's own for retries is 3 at a time, which a server that ends needs many more of.
_LIMITS = ("max_requests", "max_pending_requests", "max_retries")

#: A server that stops says so half a second before it closes its port; what comes to it later is sent to another.
_HEALTH: Json = {
    "timeout": "2s",
    "interval": "0.25s",
    "no_traffic_interval": "0.25s",
    "unhealthy_threshold": 1,
    "healthy_threshold": 1,
    "always_log_health_check_failures": False,
}
_LIVE: Json = {"http_health_check": {"path": "/health", "host": "localhost"}}
#: Not gRPC's health of a server, which takes calls before the models that it is to load are there.
_READY: Json = {"http_health_check": {"path": "/ready", "host": "localhost"}}
#: With less than this of the servers ready calls go to all of them: one model that fails everywhere makes none ready,
#: and the other models serve.
_PANIC_PERCENT = 1

#: A connection of which more than half of so many requests were cancelled within a second is closed.
_RESETS = {
    "overload.premature_reset_total_stream_count": 200,
    "overload.premature_reset_min_stream_lifetime_seconds": 1,
    # One connection's requests do not keep the others waiting.
    "http.max_requests_per_io_cycle": 16,
}


def bootstrap(options: EdgeOptions) -> Json:
    """The bootstrap as JSON for `envoy --config-path`; it holds no secret."""
    return {
        "node": {"id": "panope", "cluster": "panope"},
        "admin": {"address": pipe(options.envoy_admin_socket, _OWNER_ONLY)},
        "static_resources": {
            "listeners": [_listener(options)],
            "clusters": [
                # The server bounds its own queues and says so with RetryInfo; Envoy's limits would only hide that.
                _server_cluster(options, SERVER_CLUSTER, 1 << 16),
                _server_cluster(options, LARGE_CLUSTER, options.max_large_bodies),
                _admin_cluster(options),
                *token_clusters(options),
            ],
        },
        "overload_manager": overload_manager(options),
        "layered_runtime": {"layers": [{"name": "limits", "static_layer": _RESETS}]},
    }


def _listener(options: EdgeOptions) -> Json:
    return {
        "name": "http",
        "address": socket_address(options.http_host, options.http_port),
        # With SO_REUSEPORT a second server would take half of the connections instead of failing to start.
        "enable_reuse_port": False,
        "per_connection_buffer_limit_bytes": 1 << 20,
        "filter_chains": [{"filters": [connection_manager(options)], **transport_socket(options)}],
    }


def _server_cluster(options: EdgeOptions, name: str, max_requests: int) -> Json:
    return {
        **(
            _replicas(name, options.servers, _READY, options.admin_servers) or _cluster(name, pipe(options.grpc_socket))
        ),
        "circuit_breakers": {"thresholds": [dict.fromkeys(_LIMITS, max_requests)]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
                "extensions.upstreams.http.v3.HttpProtocolOptions",
                explicit_http_config={"http2_protocol_options": {"max_concurrent_streams": 1 << 16}},
            )
        },
    }


def _admin_cluster(options: EdgeOptions) -> Json:
    if options.admin_servers:
        return _replicas(ADMIN_CLUSTER, options.admin_servers, _LIVE)
    address = pipe(options.admin_socket) if options.admin_socket else None
    return _cluster(ADMIN_CLUSTER, address or socket_address(options.admin_host, options.admin_port))


def _replicas(name: str, addresses: Sequence[str], health: Json, checked: Sequence[str] = ()) -> Json:
    """A cluster of several servers; nothing for none.

    Args:
        name: of the cluster.
        addresses: where calls go.
        health: what each is asked for.
        checked: where each is asked, on the same machine; empty for `addresses`.
    """
    if not addresses:
        return {}
    endpoints = [
        {"endpoint": {"address": _address(address), "health_check_config": {"port_value": _port(check)}}}
        for address, check in zip(addresses, checked or addresses, strict=True)
    ]
    return {
        "name": name,
        # A name may stand for several machines, and for others later.
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "health_checks": [{**_HEALTH, **health}],
        "common_lb_config": {"healthy_panic_threshold": {"value": _PANIC_PERCENT if checked else 0}},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }


def _address(address: str) -> Json:
    return socket_address(address.rpartition(":")[0].strip("[]"), _port(address))


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _cluster(name: str, address: Json) -> Json:
    endpoint = {"endpoint": {"address": address}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
