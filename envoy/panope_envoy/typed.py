"""Helpers for Envoy's JSON: every extension names its type."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def typed(name: str, /, **fields: object) -> Json:
    """An extension's configuration; `name` is its message, without `envoy.`."""
    return {"@type": f"type.googleapis.com/envoy.{name}", **fields}


def socket_address(host: str, port: int) -> Json:
    """A TCP address; Envoy takes numbers alone."""
    return {"socket_address": {"address": "127.0.0.1" if host == "localhost" else host, "port_value": port}}


def pipe(path: str, mode: int | None = None) -> Json:
    """A Unix socket."""
    return {"pipe": {"path": path} if mode is None else {"path": path, "mode": mode}}
