"""router_config.json: which modules of a Router a text passes, by what it is for (`RouterFile`).

Older models have an Asym, which wrote the same as config.json. The rules by which a route is found are those of
sentence-transformers' Router.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import Struct

from panope_backends.errors import PreconditionError
from panope_backends.model_facts.routers import FILE, OLDER_FILE
from panope_backends.tasks.json_files import read_json, shown, typed

#: What sentence-transformers calls inputs that are plain texts.
_TEXT = "text"

#: Names that models have for the route of what a request calls a document; the first is sentence-transformers'.
_SAME = {"document": ("document", "passage", "corpus", "doc")}

#: More than any model has.
_MOST_ROUTES = 16


class RouterParameters(Struct):
    """Which route is whose."""

    default_route: str | None = None
    allow_empty_key: bool = True
    route_mappings: dict[str, str] = {}


class RouterFile(Struct):
    """Its modules by the names of their folders, and which of them each route has."""

    types: dict[str, str]
    structure: dict[str, list[str]]
    parameters: dict[str, Any] = {}


@dataclass(frozen=True)
class Router:
    """The routes of a model.

    Attributes:
        structure: the names of each route's modules, in their order.
        types: of the modules, by their names.
        default: the route of texts that are for nothing in particular; None for none.
        mappings: routes by what texts are for and what they are, either of which may be None for any.
    """

    structure: Mapping[str, tuple[str, ...]]
    types: Mapping[str, str]
    default: str | None
    mappings: Mapping[tuple[str | None, str | None], str]

    def route_of(self, purpose: str, *, is_text: bool = True) -> str | None:
        """The route of texts; None where there is none for them.

        Args:
            purpose: what they are for: `query`, `document`, or empty.
            is_text: whether it is known there that they are texts, which what comes after a table is not told.
        """
        kind = _TEXT if is_text else None
        for task in _SAME.get(purpose, (purpose or None,)):
            for key in ((task, kind), (task, None), (None, kind), (None, None)):
                if key in self.mappings:
                    return self.mappings[key]
            for name in (task, kind):
                if name in self.structure:
                    return name
        return None if purpose else self.default


def read_router(folder: Path) -> Router:
    """Reads the file of a Router in its folder.

    Raises:
        PreconditionError: it is missing or broken, or names routes or modules that are not there.
    """
    # sentence-transformers reads the older file where the newer one says nothing.
    content = read_json(folder / FILE, missing_ok=True)
    name = FILE if content else OLDER_FILE
    content = content or read_json(folder / OLDER_FILE, missing_ok=True)
    if not content:
        raise PreconditionError(f"the model's Router, which modules.json lists, has no {FILE}")
    for key in ("types", "structure"):
        if key not in content:
            raise PreconditionError(f"{name} of a Router has no `{key}`")
    file = typed(content, RouterFile, name)
    parameters = typed(file.parameters, RouterParameters, f"`parameters` of {name}")
    if not 1 <= len(file.structure) <= _MOST_ROUTES:
        raise PreconditionError(f"{name} has {len(file.structure)} routes; Panope runs 1 to {_MOST_ROUTES}")
    for route, modules in file.structure.items():
        unknown = next((module for module in modules if module not in file.types), None)
        if unknown is not None:
            raise PreconditionError(f"the route `{shown(route)}` in {name} names `{shown(unknown)}`, which has no type")
    default = parameters.default_route
    if default is None and parameters.allow_empty_key:
        default = next(iter(file.structure))
    mappings = {_key(text, name): route for text, route in parameters.route_mappings.items()}
    for route in (*mappings.values(), *([] if default is None else [default])):
        if route not in file.structure:
            raise PreconditionError(f"{name} names the route `{shown(route)}`, which is not there")
    structure = {route: tuple(modules) for route, modules in file.structure.items()}
    return Router(structure, file.types, default, mappings)


def _key(text: str, name: str) -> tuple[str | None, str | None]:
    """What texts a mapping is of, which the file has as Python writes a tuple; one of several kinds is of no text."""
    try:
        task, kind = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        task = kind = 0
    if not (task is None or isinstance(task, str)) or not (kind is None or isinstance(kind, str | tuple)):
        raise PreconditionError(f"{name} maps `{shown(text)}`, which is no pair of a task and a modality")
    return task, "+".join(map(str, kind)) if isinstance(kind, tuple) else kind
