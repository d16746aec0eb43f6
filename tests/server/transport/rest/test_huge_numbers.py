"""Numbers of hundreds of digits, which JSON allows: refused as the caller's in every field of every body."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from rest_doubles.description import DESCRIPTION, operation_of
from rest_doubles.good_bodies import BODIES
from tests.rest_paths import filled

from panope_envoy.rest_routes import RestRoute, rest_routes

HUGE = 10**400
#: Beside those: what a number of a form or a body is reckoned with.
OTHERS: dict[tuple[str, str], Any] = {("POST", "/v1/videos"): {"prompt": "a", "seconds": "4", "size": "64x32"}}
DEEPEST = 4

Path = tuple[str | int, ...]


def numbers_of(schema: dict[str, Any], depth: int = 0) -> Iterator[Path]:
    """The places of numbers in what a schema describes; in a list the first."""
    if "$ref" in schema:
        schema = DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if schema.get("type") in ("integer", "number"):
        yield ()
    if depth == DEEPEST:
        return
    for name, part in schema.get("properties", {}).items():
        yield from ((name, *rest) for rest in numbers_of(part, depth + 1))
    if isinstance(items := schema.get("items"), dict):
        yield from ((0, *rest) for rest in numbers_of(items, depth + 1))
    for way in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(way, ()):
            yield from numbers_of(part, depth)


def with_number(body: Any, path: Path, number: int) -> Any:
    """The body with a number at a place."""
    if not path:
        return number
    first, *rest = path
    if first == 0:
        return [with_number(None, tuple(rest), number)]
    changed = copy.copy(body) if isinstance(body, dict) else {}
    changed[first] = with_number(changed.get(first), tuple(rest), number)
    return changed


GIVEN = {**{key: body for key, body in BODIES.items() if isinstance(body, dict)}, **OTHERS}
ROUTES = [route for route in rest_routes() if (route.verb, route.template) in GIVEN]


def numbers_in(route: RestRoute) -> set[Path]:
    described, *_ = operation_of(route.verb, route.template)["requestBody"]["content"].values()
    return set(numbers_of(described["schema"]))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.verb} {route.template}")
def test_a_number_of_hundreds_of_digits_is_refused_in_every_field(edge, route):
    path, body = filled(route.template), GIVEN[route.verb, route.template]
    for place in sorted(numbers_in(route), key=str):
        reply = edge.request(route.verb, path, with_number(body, place, HUGE))
        assert 400 <= reply.status < 500, (place, reply.status, reply.body)


def test_the_walk_reaches_numbers_within_objects_and_lists():
    told = {"type": "object", "properties": {"a": {"items": {"anyOf": [{"type": "null"}, {"type": "integer"}]}}}}
    assert list(numbers_of({"properties": {"b": told, "c": {"type": "number"}}})) == [("b", "a", 0), ("c",)]
    assert with_number({"b": {"d": 1}}, ("b", "a", 0), 2) == {"b": {"d": 1, "a": [2]}}
    assert sum(1 for route in ROUTES for _ in numbers_in(route)) > 100
