"""Grammars that cannot be honoured, or cost too much, are refused by name."""

from __future__ import annotations

import contextlib
import json
import threading
import time

import pytest
from generation_kinds.grammars import EOS, answer, compiled, compiler, vocabulary

from panope_backends.api import Grammar, GrammarKind
from panope_backends.errors import InvalidInputError, OverloadedError
from panope_backends.generation.grammar.compiler import GrammarCompiler

REFUSED = {
    "no JSON": (GrammarKind.JSON_SCHEMA, '{"type":', "is not a valid JSON schema"),
    "no object": (GrammarKind.JSON_SCHEMA, "[1]", "is not a valid JSON schema"),
    "wrong type": (GrammarKind.JSON_SCHEMA, '{"type": "strng"}', "is not a valid JSON schema"),
    "remote": (GrammarKind.JSON_SCHEMA, '{"$ref": "https://example.com/a.json"}', "refers to another document"),
    "local file": (GrammarKind.JSON_SCHEMA, '{"$ref": "file:///etc/passwd"}', "refers to another document"),
    "remote in lark": (GrammarKind.LARK, 'start: %json {"$ref": "http://a.b"}', "refers to another document"),
    "points nowhere": (GrammarKind.JSON_SCHEMA, '{"$ref": "#/$defs/a"}', "has no `/$defs/a`"),
    "only itself": (GrammarKind.JSON_SCHEMA, '{"$ref": "#"}', "no answer matches"),
    "in a circle": (
        GrammarKind.JSON_SCHEMA,
        '{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}',
        "no answer matches",
    ),
    "unsatisfiable": (GrammarKind.JSON_SCHEMA, '{"type": "integer", "minimum": 7, "maximum": 3}', "no answer matches"),
    "keyword": (GrammarKind.JSON_SCHEMA, '{"type": "array", "uniqueItems": true}', 'not supported: "uniqueItems"'),
    "leniency": (
        GrammarKind.JSON_SCHEMA,
        '{"type": "array", "uniqueItems": true, "x-guidance": {"lenient": true}}',
        'not supported: "uniqueItems"',
    ),
    "number": (GrammarKind.JSON_SCHEMA, '{"enum": [1, 9007199254740993]}', "whole number past 2^53"),
    "long number": (GrammarKind.JSON_SCHEMA, '{"maximum": ' + "9" * 9_000 + "}", "whole number past 2^53"),
    "format": (GrammarKind.JSON_SCHEMA, '{"type": "string", "format": "zzz"}', "has the format `zzz`"),
    "look-ahead": (GrammarKind.JSON_SCHEMA, '{"type": "string", "pattern": "(?=a)b"}', "look-around"),
    "no regex": (GrammarKind.REGEX, "(a", "no regular expression"),
    "nothing matches": (GrammarKind.REGEX, "[^\\x00-\\U0010ffff]", "no answer matches"),
    "no rule": (GrammarKind.LARK, "start: zzz", "has no rule `zzz`"),
    "only itself in lark": (GrammarKind.LARK, "start: start", "no answer matches"),
    "nested": (GrammarKind.JSON_SCHEMA, '{"items":' * 5_000 + "{}" + "}" * 5_000, "too complex"),
    "nested regex": (GrammarKind.REGEX, "(" * 20_000 + "a" + ")" * 20_000, "is"),
    "too many branches": (
        GrammarKind.JSON_SCHEMA,
        json.dumps({"anyOf": [{"type": "object", "properties": {f"k{n}": {}}} for n in range(900)]}),
        "too complex",
    ),
    "too many optional properties": (
        GrammarKind.JSON_SCHEMA,
        json.dumps({"type": "object", "properties": {f"p{number}": {} for number in range(1_000)}}),
        "too complex",
    ),
    "too long": (GrammarKind.REGEX, "a" * 70_000, "has 70,000 bytes; the limit is 65,536"),
    "surrogate": (GrammarKind.REGEX, "\ud800", "lone surrogates"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_grammars_that_cannot_be_honoured_are_refused_by_name(name: str) -> None:
    kind, source, told = REFUSED[name]
    with pytest.raises(InvalidInputError) as refused:
        compiler().compile(Grammar(kind, source))
    assert refused.value.field == "grammar"
    assert told in refused.value.message
    assert len(refused.value.message) < 200
    assert refused.value.message.startswith(("`grammar`", "no answer"))


@pytest.mark.parametrize(
    "source",
    ["(a{1,1000}){1,1000}", "(.*a.{12})&(.*b.{12})", ".*a.{25}b", "(a|aa)+$", "\\p{L}{1,900}", "((a?){99}){99}"],
)
def test_hostile_patterns_cost_little_or_are_refused(source: str) -> None:
    begin = time.perf_counter()
    with contextlib.suppress(InvalidInputError):
        answer(compiled(source, GrammarKind.REGEX), 1, limit=50)
    assert time.perf_counter() - begin < 20


def test_a_grammar_that_takes_too_long_is_refused_and_holds_nothing_up() -> None:
    slow = GrammarCompiler(vocabulary(), vocabulary().size, [EOS], compile_seconds=0.02)
    wide = Grammar(GrammarKind.JSON_SCHEMA, json.dumps({"properties": {f"p{number}": {} for number in range(2_000)}}))
    longest, is_done = 0.0, threading.Event()

    def watch() -> None:
        nonlocal longest
        while not is_done.is_set():
            begin = time.perf_counter()
            time.sleep(0.001)
            longest = max(longest, time.perf_counter() - begin)

    watcher = threading.Thread(target=watch)
    watcher.start()
    with pytest.raises(InvalidInputError, match="too complex"):
        slow.compile(wide)
    is_done.set()
    watcher.join()
    assert longest < 1.0, "the interpreter's lock is not held"


def test_only_so_many_grammars_compile_at_once_and_refusals_are_remembered() -> None:
    slow = GrammarCompiler(vocabulary(), vocabulary().size, [EOS], compile_seconds=0.01)
    wide = [
        Grammar(
            GrammarKind.JSON_SCHEMA,
            json.dumps({"properties": {f"p{number}": {"minLength": extra} for number in range(1_500)}}),
        )
        for extra in range(3)
    ]
    for grammar in wide[:2]:
        with pytest.raises(InvalidInputError, match="too complex"):
            slow.compile(grammar)
    with pytest.raises(OverloadedError):
        slow.compile(wide[2])
    with pytest.raises(InvalidInputError, match="too complex"):
        slow.compile(wide[0])


def test_a_grammar_that_the_models_tokens_cannot_write_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no answer matches `grammar`"):
        compiled("", GrammarKind.JSON_OBJECT, "unigram")


def test_a_model_without_an_end_takes_no_grammar() -> None:
    with pytest.raises(InvalidInputError) as refused:
        GrammarCompiler(vocabulary(), vocabulary().size, []).compile(Grammar(GrammarKind.REGEX, "a"))
    assert (refused.value.field, refused.value.reason) == ("grammar", "unsupported_field")
