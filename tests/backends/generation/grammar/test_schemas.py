"""An answer under any JSON schema parses, and validates."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
from generation_kinds.grammars import answer, compiled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = st.text('abcé "\\', min_size=1, max_size=4)
INTEGERS = st.integers(-(1 << 53), 1 << 53)
SCALARS = st.one_of(
    st.just({"type": "null"}),
    st.just({"type": "boolean"}),
    st.builds(
        lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more},
        st.integers(-50, 50),
        st.integers(0, 99),
    ),
    st.just({"type": "number"}),
    st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
        st.integers(0, 3),
        st.integers(0, 9),
    ),
    st.just({"type": "string", "pattern": "^[a-c]{2,5}$"}),
    st.just({"type": "string", "format": "date"}),
    st.builds(lambda values: {"enum": values}, st.lists(st.one_of(INTEGERS, NAMES, st.none()), min_size=1, max_size=4)),
    st.builds(lambda value: {"const": value}, st.one_of(NAMES, INTEGERS, st.booleans())),
)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda properties, is_required: {
            "type": "object",
            "properties": properties,
            "required": [name for name, required in zip(properties, is_required, strict=False) if required],
            "additionalProperties": False,
        },
        st.dictionaries(NAMES, inner, max_size=4),
        st.lists(st.booleans(), min_size=4, max_size=4),
    )


def tagged(branches: list[Any]) -> dict[str, Any]:
    """A `oneOf` whose branches differ in a constant."""
    return {
        "oneOf": [
            {
                "type": "object",
                "properties": {"kind": {"const": f"kind {number}"}, "value": branch},
                "required": ["kind", "value"],
                "additionalProperties": False,
            }
            for number, branch in enumerate(branches)
        ]
    }


SCHEMAS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        objects(inner),
        st.builds(
            lambda items, low: {"type": "array", "items": items, "minItems": low, "maxItems": low + 3},
            inner,
            st.integers(0, 2),
        ),
        st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda items: {"type": "array", "prefixItems": items, "items": False},
            st.lists(inner, min_size=1, max_size=3),
        ),
        st.builds(lambda values: {"type": "object", "additionalProperties": values}, inner),
        st.builds(tagged, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda inner: {"$ref": "#/$defs/a", "$defs": {"a": inner}}, SCALARS),
    ),
    max_leaves=8,
)


@given(schema=SCHEMAS, seed=st.integers(0, 1_000_000), tokens=st.sampled_from(["byte_level", "sentencepiece"]))
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_an_answer_under_any_schema_parses_and_validates(schema: Any, seed: int, tokens: str) -> None:
    if "$defs" in json.dumps(schema) and "$defs" not in schema:
        return  # a reference finds its definition at the root alone
    text = answer(compiled(schema, tokens=tokens), seed, tokens)
    if text is not None:
        jsonschema.validate(json.loads(text), schema, jsonschema.Draft202012Validator)


def test_the_answers_of_the_property_test_do_end() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}, "required": ["a"]}
    assert sum(answer(compiled(schema), seed) is not None for seed in range(20)) > 15
