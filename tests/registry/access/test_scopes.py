"""Scopes allow what they name and nothing else; patterns match names and how they begin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.errors import InvalidInputError
from panope_registry.access.scopes import EVERY_MODEL, EVERY_SCOPE, RESOURCES, ModelPatterns, Scopes

PAIRS = [(resource, action) for resource, actions in RESOURCES.items() for action in actions]
TASKS = [("embed", "run"), ("generate", "run"), ("token-classify", "run")]


@pytest.mark.parametrize(
    ("texts", "allowed"),
    [
        (["embed:*"], {("embed", "run")}),
        (["embed:run"], {("embed", "run")}),
        (["infer:*"], set(TASKS)),
        (["models:read"], {("models", "read")}),
        (["models:*"], {("models", "read"), ("models", "write")}),
        (["*:read"], {pair for pair in PAIRS if pair[1] == "read"}),
        (["*:run"], set(TASKS)),
        (["admin"], {*PAIRS, *TASKS}),
        (["*:*"], {*PAIRS, *TASKS}),
    ],
)
def test_scopes_allow_what_they_name_and_nothing_else(texts: list[str], allowed: set[tuple[str, str]]) -> None:
    scopes = Scopes.parse(texts)
    assert {pair for pair in [*PAIRS, *TASKS] if scopes.allow(*pair)} == allowed
    assert scopes.allow_some_task == bool(allowed & set(TASKS))


@pytest.mark.parametrize(
    "text", ["", "embed", "embed:", ":run", "embed:read", "models:run", "Models:read", "a:b:c", "audit:write"]
)
def test_what_is_no_scope_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInputError, match="RESOURCE:ACTION") as caught:
        Scopes.parse([text])
    assert caught.value.field == "scopes"


def test_a_key_without_scopes_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="can do nothing"):
        Scopes.parse([])


@given(st.sets(st.sampled_from([f"{resource}:{action}" for resource, action in [*PAIRS, *TASKS]]), min_size=1))
def test_scopes_are_read_as_they_are_written(texts: set[str]) -> None:
    scopes = Scopes.parse(texts)
    assert scopes.texts == sorted(texts)
    assert {f"{pair[0]}:{pair[1]}" for pair in [*PAIRS, *TASKS] if scopes.allow(*pair)} == texts


@pytest.mark.parametrize(
    ("patterns", "name", "matches"),
    [
        (["acme/*"], "acme/tiny", True),
        (["acme/*"], "acme-labs/tiny", False),
        (["acme/*"], "tiny", False),
        (["acme/tiny"], "acme/tiny", True),
        (["acme/tiny"], "acme/tiny-2", False),
        (["acme/tiny*"], "acme/tiny-2", True),
        (["prod"], "prod", True),
        (["*"], "anything/at-all", True),
        (["a/*", "b/*"], "b/c", True),
    ],
)
def test_patterns_match_names_and_how_they_begin(patterns: list[str], name: str, matches: bool) -> None:
    assert ModelPatterns.parse(patterns).match(name) is matches


@pytest.mark.parametrize("text", ["", "a/b/c", "a*b", "*/b", "../a", "a//b", "a b", "**", "-a"])
def test_what_is_no_pattern_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        ModelPatterns.parse([text])
    assert caught.value.field == "models"


def test_everything_is_everything() -> None:
    assert all(EVERY_SCOPE.allow(*pair) for pair in [*PAIRS, *TASKS])
    assert EVERY_MODEL.are_all
    assert EVERY_MODEL.match("any/model")
