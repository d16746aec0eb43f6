"""What the settings say of servers elsewhere: who may be called, and with which key."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from panope_backends.errors import PreconditionError
from panope_backends.upstreams.access import Secret, UpstreamAccess, require_allowed
from panope_backends.upstreams.addresses import Place, is_listed, place_of
from panope_server.config.settings import Settings

MAX_KEY_BYTES = 1 << 14


def check_host(settings: Settings, url: str) -> None:
    """Refuses an address whose host may not be called.

    Raises:
        PreconditionError: it names the setting.
    """
    require_allowed(place_of(url), settings.remote.allowed_hosts)


def access_of(settings: Settings, url: str, environment: Mapping[str, str] | None = None) -> UpstreamAccess:
    """What a worker may do with the server at an address; it reads the key, so it may wait for a disk.

    Args:
        settings: of this server.
        url: of the API.
        environment: where variables are; None for this process's own.

    Raises:
        PreconditionError: the host may not be called, its key is not where the setting says, or would go over a
            public network in the open.
    """
    place = place_of(url)
    remote = settings.remote
    require_allowed(place, remote.allowed_hosts)
    key = _key(remote.api_keys, place, os.environ if environment is None else environment)
    if key and url.startswith("http://") and not remote.private_addresses:
        raise PreconditionError(
            "a key goes by https alone; the setting `remote.private_addresses` lets it go by http, in private networks",
            reason="insecure_key",
        )
    return UpstreamAccess(
        allowed_hosts=remote.allowed_hosts,
        private_addresses=remote.private_addresses,
        ca_file=remote.ca_file,
        api_key=Secret(key),
        connect_timeout_seconds=remote.connect_timeout_seconds,
        read_timeout_seconds=remote.read_timeout_seconds,
        total_timeout_seconds=remote.total_timeout_seconds,
        max_attempts=remote.max_attempts,
        max_requests=remote.max_requests,
    )


def _key(entries: tuple[str, ...], place: Place, environment: Mapping[str, str]) -> str:
    """The key of a place; empty where none is set. An entry with its port comes before one without."""
    found = [entry.partition("=") for entry in entries if is_listed(place, (entry.partition("=")[0],))]
    if not found:
        return ""
    host, _, source = max(found, key=lambda parts: parts[0].endswith(f":{place.port}"))
    key = _read(source) if source.startswith("/") else environment.get(source, "")
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable():
        where = "file" if source.startswith("/") else "variable"
        raise PreconditionError(
            f"the setting `remote.api_keys` names a {where} for `{host}` that holds no key", reason="no_api_key"
        )
    return key


def _read(path: str) -> str:
    try:
        with Path(path).open(encoding="ascii") as file:
            return file.read(MAX_KEY_BYTES)
    except (OSError, UnicodeDecodeError):
        return ""
