"""Every kind of sentence that msgspec has for JSON that does not fit: it offers no other form to read them in.

A version of it that words one otherwise fails here, and not before a caller.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from panope_server.transport.json_errors import misfit


class Inner(Struct, frozen=True, forbid_unknown_fields=True):
    name: str = ""


class Body(Struct, forbid_unknown_fields=True):
    must: int
    whole: int = 0
    bounded: Annotated[int, Meta(ge=1, le=9)] = 1
    part: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    text: str = ""
    short: Annotated[str, Meta(min_length=1, max_length=3)] = "a"
    pattern: Annotated[str, Meta(pattern=r"^a+\Z")] = "a"
    word: Literal["float", "base64"] = "float"
    only: Literal["float"] = "float"
    never: Literal[False] | None = None
    flag: bool = False
    data: bytes = b""
    items: Annotated[list[int], Meta(min_length=1, max_length=2)] = msgspec.field(default_factory=lambda: [1])
    either: str | list[str] = ""
    inner: Inner = Inner()
    table: dict[str, int] = {}
    keys: dict[Annotated[str, Meta(max_length=2)], int] = {}


CASES = {
    "[]": ("", "the body must be an object, got a list"),
    "{}": ("must", "`must` is missing"),
    '{"must": 1, "whle": 1}': ("whle", "unknown field `whle`; did you mean `whole`?"),
    '{"must": "x"}': ("must", "`must` must be an integer, got a string"),
    '{"must": 1.5}': ("must", "`must` must be an integer, got a number"),
    '{"must": null}': ("must", "`must` must be an integer, got null"),
    '{"must": 1, "bounded": 0}': ("bounded", "`bounded` must be an integer >= 1"),
    '{"must": 1, "bounded": 10}': ("bounded", "`bounded` must be an integer <= 9"),
    '{"must": 1, "part": 0}': ("part", "`part` must be a number > 0.0"),
    '{"must": 1, "part": 1}': ("part", "`part` must be a number < 1.0"),
    '{"must": 1, "text": 7}': ("text", "`text` must be a string, got an integer"),
    '{"must": 1, "short": ""}': ("short", "`short` must be a string of length >= 1"),
    '{"must": 1, "short": "abcd"}': ("short", "`short` must be a string of length <= 3"),
    '{"must": 1, "pattern": "b"}': ("pattern", "`pattern` must be a string matching regex '^a+$'"),
    '{"must": 1, "pattern": "a\\n"}': ("pattern", "`pattern` must be a string matching regex '^a+$'"),
    '{"must": 1, "word": "floats"}': ("word", "`word` must be one of base64, float"),
    '{"must": 1, "only": "base64"}': ("only", "`only` must be float"),
    '{"must": 1, "never": true}': ("never", "`never` must be false"),
    '{"must": 1, "flag": "yes"}': ("flag", "`flag` must be a boolean, got a string"),
    '{"must": 1, "items": []}': ("items", "`items` must be a list of length >= 1"),
    '{"must": 1, "items": [1, 2, 3]}': ("items", "`items` must be a list of length <= 2"),
    '{"must": 1, "items": [1, "x"]}': ("items[1]", "`items[1]` must be an integer, got a string"),
    '{"must": 1, "either": 7}': ("either", "`either` must be a string or a list, got an integer"),
    '{"must": 1, "either": ["a", 7]}': ("either[1]", "`either[1]` must be a string, got an integer"),
    '{"must": 1, "inner": {"nme": 1}}': ("inner.nme", "unknown field `nme` in `inner`; did you mean `name`?"),
    '{"must": 1, "inner": 3}': ("inner", "`inner` must be an object, got an integer"),
    '{"must": 1, "table": {"a": "b"}}': ("table[...]", "`table[...]` must be an integer, got a string"),
    '{"must": 1, "keys": {"abc": 1}}': ("keys", "a key of `keys` must be a string of length <= 2"),
    '{"must": 1, "part": 1e400}': ("part", "`part` is a number that is out of range"),
    '{"must": 1, "data": "?"}': ("data", "`data` is not base64"),
    '{"must": 99999999999999999999999.5}': ("must", "`must` must be an integer, got a number"),
}


@pytest.mark.parametrize("given", CASES)
def test_a_finding_is_told_by_its_field_and_in_panopes_words(given: str) -> None:
    field, told = CASES[given]
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(given.encode(), type=Body)
    error = misfit(caught.value, Body)
    assert (error.field, error.message) == (field, told)
