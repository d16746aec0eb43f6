"""JSON bodies and answers are schemas of their own: what is renamed inside renames nothing that callers read."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import inspect

#: Where schemas are: of routes, and of what a task takes as a JSON value.
SCHEMAS = (
    "panope_server.transport.",
    "panope_server.tasks.embed.json_form",
    "panope_server.tasks.generate.json_form",
)

ROOT = Path(__file__).resolve().parents[4]


def bodies_and_answers() -> list[Any]:
    """The types of all JSON bodies and answers, from the descriptions of routes that /openapi.json is made from."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    from generator.operations import METHODS, PLAIN, READ_LATER

    operations = (*METHODS.values(), *PLAIN.values())
    types = [
        kind
        for operation in operations
        for kind in (operation.body, *operation.or_bodies, operation.answer, *operation.or_answers)
        if kind is not None
    ]
    return [*types, *(kind for kinds in READ_LATER.values() for kind in kinds)]


def classes_of(types: list[Any]) -> Iterator[type]:
    """Every class that the types hold, at any depth."""
    left, seen = list(inspect.multi_type_info(types)), set[int]()
    while left:
        kind = left.pop()
        if id(kind) in seen:
            continue
        seen.add(id(kind))
        if isinstance(cls := getattr(kind, "cls", None), type):
            yield cls
        parts = [getattr(kind, name, None) for name in ("item_type", "key_type", "value_type", "type")]
        left += [part for part in parts if isinstance(part, inspect.Type)]
        left += [inner for inner in getattr(kind, "types", ()) if isinstance(inner, inspect.Type)]
        left += [field.type for field in getattr(kind, "fields", ())]


def test_no_type_of_the_layers_below_is_written_as_json() -> None:
    inside = {cls for cls in classes_of(bodies_and_answers()) if not cls.__module__.startswith(SCHEMAS)}
    assert inside == set()


@pytest.mark.parametrize(
    "name", ["ModelInfoJson", "VariantJson", "InstanceJson", "DeviceJson", "JobJson", "EmbedValue", "GenerateValue"]
)
def test_the_walk_reaches_what_bodies_and_answers_hold(name: str) -> None:
    assert name in {cls.__name__ for cls in classes_of(bodies_and_answers())}
