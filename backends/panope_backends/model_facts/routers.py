"""Where the modules of a Router lie, which in sentence-transformers has a sequence of them for each kind of text.

modules.json names the Router alone; its own file beside it names the modules within. It was once called Asym.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

FILE = "router_config.json"

OLDER_FILE = "config.json"
"""Where Asym wrote the same."""

ROUTER = "Router"
"""What the class of a model is called whose routes have encoders of their own."""

NAMES = (ROUTER, "Asym")
"""The names of the module's class, the newest first."""


def is_router(kind: str) -> bool:
    """Whether a module's `type` is a Router's."""
    return kind.startswith("sentence_transformers.") and kind.rpartition(".")[2] in NAMES


def with_routes(
    modules: Iterable[Mapping[str, Any]], read: Callable[[str], Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The entries of modules.json, with those of a Router's modules in its place, each once.

    Args:
        modules: of modules.json.
        read: the JSON object of a path within the model; empty where there is none.
    """
    found: list[Mapping[str, Any]] = []
    for module in modules:
        if not is_router(str(module.get("type", ""))):
            found.append(module)
            continue
        place = PurePosixPath(str(module.get("path", "")))
        types = (read(str(place / FILE)) or read(str(place / OLDER_FILE))).get("types")
        named = types.items() if isinstance(types, Mapping) else ()
        found += [{"type": kind, "path": str(place / name)} for name, kind in named]
    return found
