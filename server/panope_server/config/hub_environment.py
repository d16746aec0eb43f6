"""Hugging Face's own variables and files, as its users have them; Panope's settings come before them.

| what | Panope's | Hugging Face's |
| --- | --- | --- |
| the hub | `hub.endpoint` | `HF_ENDPOINT`, else https://huggingface.co |
| its token | the variable `PANOPE_HUB_TOKEN` | `HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN`, the file that logging in wrote |
| asking no hub | `hub.offline` | `HF_HUB_OFFLINE`, `TRANSFORMERS_OFFLINE` |
| a cache to take files from | `hub.cache_folder` | `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, `HF_HOME` |

A token of Hugging Face's belongs to the hub that Hugging Face's variables name, and is sent to no other.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from panope_backends.errors import InvalidInputError
from panope_server.config import Settings

DEFAULT_ENDPOINT = "https://huggingface.co"

#: Panope's own token is no setting, so that no file and no log holds it.
TOKEN_VARIABLE = "PANOPE_HUB_TOKEN"  # noqa: S105 - a variable's name

_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_CACHES = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})

_PORTS = {"http": 80, "https": 443}

NO_CACHE = "none"
MAX_TOKEN_BYTES = 4096


@dataclass(frozen=True)
class HubEnvironment:
    """What is used, and what it comes from, for people.

    Attributes:
        endpoint: of the hub.
        token: sent to it alone; empty for none.
        token_from: empty for none.
        ignored: sentences about what was found and is not used.
        offline: whether no hub is asked.
        offline_from: empty when one is.
        cache: of the hub's client; None for none. It need not exist.
        cache_from: empty for none.
    """

    endpoint: str
    endpoint_from: str
    token: str
    token_from: str
    ignored: tuple[str, ...]
    offline: bool
    offline_from: str
    cache: Path | None
    cache_from: str

    def __repr__(self) -> str:
        """Without the token."""
        return f"HubEnvironment({self.endpoint!r})"


def hub_environment(settings: Settings, environment: Mapping[str, str] | None = None) -> HubEnvironment:
    """Looks at the settings, the variables and the files.

    Raises:
        InvalidInputError: `HF_ENDPOINT` is no address.
    """
    variables = os.environ if environment is None else environment
    theirs = variables.get("HF_ENDPOINT", "").rstrip("/")
    if theirs and urlsplit(theirs).scheme not in _PORTS:
        raise InvalidInputError("the variable HF_ENDPOINT is not an address such as https://HOST", field="HF_ENDPOINT")
    endpoint = settings.hub.endpoint.rstrip("/") or theirs or DEFAULT_ENDPOINT
    source = "`hub.endpoint`" if settings.hub.endpoint else ("HF_ENDPOINT" if theirs else "the default")
    token, token_from, ignored = _token(variables, endpoint, theirs or DEFAULT_ENDPOINT)
    offline, offline_from = _offline(settings, variables)
    cache, cache_from = _cache(settings, variables)
    return HubEnvironment(endpoint, source, token, token_from, ignored, offline, offline_from, cache, cache_from)


def _token(variables: Mapping[str, str], endpoint: str, theirs: str) -> tuple[str, str, tuple[str, ...]]:
    """The token, where it comes from, and what is not used."""
    found = _tokens(variables)
    for token, source, belongs_to in ((variables.get(TOKEN_VARIABLE, "").strip(), TOKEN_VARIABLE, endpoint), *found):
        if not token:
            continue
        if not (token.isascii() and token.isprintable() and " " not in token):
            return "", "", (f"{source} holds no token",)
        if belongs_to is None and _origin(theirs) != _origin(endpoint):
            return "", "", (f"{source} is not sent: it belongs to {theirs}; {TOKEN_VARIABLE} is for {endpoint}",)
        if belongs_to is None and variables.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").upper() in _TRUE:
            return "", "", (f"{source} is not sent: HF_HUB_DISABLE_IMPLICIT_TOKEN says so",)
        return token, source, ()
    return "", "", ()


def _tokens(variables: Mapping[str, str]) -> list[tuple[str, str, None]]:
    """Those of Hugging Face's, in its own order."""
    found: list[tuple[str, str, None]] = [(variables.get(name, "").strip(), name, None) for name in _TOKENS]
    path = variables.get("HF_TOKEN_PATH", "")
    file = Path(path).expanduser() if path else _hf_home(variables) / "token"
    try:
        with file.open("rb") as stream:
            written = stream.read(MAX_TOKEN_BYTES).decode("utf-8", "replace").strip()
    except OSError:
        return found
    return [*found, (written, f"the login's file {file}", None)]


def _offline(settings: Settings, variables: Mapping[str, str]) -> tuple[bool, str]:
    if settings.hub.offline is not None:
        return settings.hub.offline, "`hub.offline`" if settings.hub.offline else ""
    source = next((name for name in _OFFLINE if variables.get(name, "").upper() in _TRUE), "")
    return bool(source), source


def _cache(settings: Settings, variables: Mapping[str, str]) -> tuple[Path | None, str]:
    own = settings.hub.cache_folder
    if own:
        return (None, "") if own == NO_CACHE else (Path(own).expanduser(), "`hub.cache_folder`")
    for name in _CACHES:
        if variables.get(name):
            return Path(variables[name]).expanduser(), name
    return _hf_home(variables) / "hub", "HF_HOME" if variables.get("HF_HOME") else "the default"


def _hf_home(variables: Mapping[str, str]) -> Path:
    if variables.get("HF_HOME"):
        return Path(variables["HF_HOME"]).expanduser()
    return Path(variables.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface"


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
