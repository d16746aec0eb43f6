"""What Envoy does before it runs out of connections or memory."""

from __future__ import annotations

from panope_envoy.options import EdgeOptions
from panope_envoy.typed import Json, typed

_CONNECTIONS = "envoy.resource_monitors.global_downstream_max_connections"
_PRESSURE = "envoy.resource_monitors.injected_resource"
_HEAP = "envoy.resource_monitors.fixed_heap"

#: A connection that has no request is kept so long when nearly no place is left.
SHORTEST_IDLE_SECONDS = 2

#: Streams that hold at least 64 KiB are known by how much they hold.
_TRACKED_POWER_OF_TWO = 16


def overload_manager(options: EdgeOptions) -> Json:
    """The limits, and what is done near them.

    Envoy knows no limit of connections for each caller, and its count of all is no resource that actions can depend
    on; so the program that runs Envoy tells it that count in a file.
    """
    monitors = [
        _monitor(
            _CONNECTIONS,
            "downstream_connections.v3.DownstreamConnectionsConfig",
            max_active_downstream_connections=options.max_connections,
        ),
        _monitor(_HEAP, "fixed_heap.v3.FixedHeapConfig", max_heap_size_bytes=options.max_heap_bytes),
    ]
    # Streams of HTTP/2 that hold much end first. Bodies that wait in the transcoder are not among what Envoy counts by
    # stream: the routes bound those.
    actions = [
        _action("reset_high_memory_stream", _scaled(_HEAP, 0.75, 0.95)),
        _action("stop_accepting_requests", _from(_HEAP, 0.98)),
    ]
    if options.pressure_file:
        monitors.append(
            _monitor(_PRESSURE, "injected_resource.v3.InjectedResourceConfig", filename=options.pressure_file)
        )
        shorter = typed(
            "config.overload.v3.ScaleTimersOverloadActionConfig",
            timer_scale_factors=[
                {"timer": "HTTP_DOWNSTREAM_CONNECTION_IDLE", "min_timeout": f"{SHORTEST_IDLE_SECONDS}s"}
            ],
        )
        actions.append({**_action("reduce_timeouts", _scaled(_PRESSURE, 0.5, 0.85)), "typed_config": shorter})
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": monitors,
        "buffer_factory_config": {"minimum_account_to_track_power_of_two": _TRACKED_POWER_OF_TWO},
        "actions": actions,
    }


def _monitor(name: str, message: str, **fields: object) -> Json:
    return {"name": name, "typed_config": typed(f"extensions.resource_monitors.{message}", **fields)}


def _action(name: str, trigger: Json) -> Json:
    return {"name": f"envoy.overload_actions.{name}", "triggers": [trigger]}


def _scaled(monitor: str, begin: float, full: float) -> Json:
    return {"name": monitor, "scaled": {"scaling_threshold": begin, "saturation_threshold": full}}


def _from(monitor: str, value: float) -> Json:
    return {"name": monitor, "threshold": {"value": value}}
