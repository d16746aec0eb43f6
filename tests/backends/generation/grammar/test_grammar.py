"""Whatever the logits are, an answer under a grammar matches it, and hostile grammars are refused by name."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from functools import cache
from typing import Any

import jsonschema
import numpy as np
import pytest
from generation_kinds.tokenizers import KINDS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panope_backends.api import Grammar, GrammarKind, SamplingParams
from panope_backends.errors import InvalidInputError, OverloadedError
from panope_backends.generation.grammar.compiler import CompiledGrammar, GrammarCompiler
from panope_backends.generation.grammar.parser import tokenizer_of
from panope_backends.generation.sampling.sampler import NO_TOKEN, Sampler
from panope_backends.generation.sampling.sampling_state import SamplingState
from panope_backends.generation.text.detokenizer import detokenizer
from panope_backends.generation.text.vocabulary import TokenVocabulary

EOS = 1
MORE_COLUMNS = 37
"""Of logits than the tokenizer has tokens, as padded models have."""


@cache
def vocabulary(kind: str = "byte_level") -> TokenVocabulary:
    return TokenVocabulary(KINDS[kind]())


@cache
def compiler(kind: str = "byte_level") -> GrammarCompiler:
    return GrammarCompiler(vocabulary(kind), vocabulary(kind).size + MORE_COLUMNS, [EOS])


def compiled(
    source: object, kind: GrammarKind = GrammarKind.JSON_SCHEMA, tokens: str = "byte_level"
) -> CompiledGrammar:
    text = source if isinstance(source, str) else json.dumps(source)
    return compiler(tokens).compile(Grammar(kind, text))


def answer(grammar: CompiledGrammar, seed: int, tokens: str = "byte_level", limit: int = 400) -> str | None:
    """What random logits answer under a grammar; None where they come to no end.

    Ends become likelier with time, as they are for a model that has an end in mind.
    """
    size = vocabulary(tokens).size + MORE_COLUMNS
    random = np.random.default_rng(seed)
    state = SamplingState(SamplingParams(seed=seed), grammar=grammar.start())
    sampler = Sampler(size)
    ends = [vocabulary(tokens).tokenizer.token_to_id(end) for end in '"]}0123456789' if end]
    token_ids: list[int] = []
    for step in range(limit):
        logits = random.standard_normal((1, size)).astype(np.float32) * 3
        logits[0, [EOS, *(end for end in ends if end is not None)]] += step / 10
        (token,) = sampler.sample(logits, [state])
        assert token.token_id != NO_TOKEN, vocabulary(tokens).tokenizer.decode(token_ids)
        state.append(token.token_id)
        if token.token_id == EOS:
            assert state.grammar is not None
            assert state.grammar.is_complete
            return text_of(token_ids, tokens)
        token_ids.append(token.token_id)
    return None


def text_of(answer: list[int], tokens: str) -> str:
    """The text of an answer after a prompt, as it is streamed."""
    words = vocabulary(tokens)
    stream = detokenizer(words, [words.tokenizer.token_to_id("b")], skip_special_tokens=False)
    return "".join(map(stream.push, answer)) + stream.finish()


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


def test_json_object_gives_an_object() -> None:
    grammar = compiled("", GrammarKind.JSON_OBJECT)
    texts = [text for seed in range(30) if (text := answer(grammar, seed)) is not None]
    assert texts
    assert all(isinstance(json.loads(text), dict) for text in texts)


def test_json_has_no_blanks_but_those_after_separators() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "array", "items": {"type": "boolean"}, "minItems": 2}},
        "required": ["a", "b"],
        "additionalProperties": False,
        "x-guidance": {"whitespace_flexible": True, "item_separator": " , "},
    }
    text = answer(compiled(schema), 3)
    assert text is not None
    assert text == json.dumps(json.loads(text))


@pytest.mark.parametrize("tokens", KINDS)
def test_every_kind_of_tokenizer_takes_grammars(tokens: str) -> None:
    grammar = compiled("( ?[ab]){3}( ?c)?", GrammarKind.REGEX, tokens)
    for seed in range(5):
        assert re.fullmatch("( ?[ab]){3}( ?c)?", answer(grammar, seed, tokens) or "")


@pytest.mark.parametrize("tokens", ["byte_level", "sentencepiece"])
def test_the_parser_reads_the_bytes_of_tokens_as_texts_have_them(tokens: str) -> None:
    words = vocabulary(tokens)
    parser = tokenizer_of(words, words.size, [EOS])
    for token_id in range(words.size):
        # 0xFF, which no text has, is the parser's own mark.
        assert parser.decode_bytes([token_id]) == words.token_bytes(token_id).replace(b"\xff", b"")


def test_a_tokenizer_that_the_parser_does_not_read_gives_it_the_bytes_of_its_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = TokenVocabulary(KINDS["byte_level"]())
    monkeypatch.setattr(words, "tokenizer", KINDS["unigram"]())
    parser = tokenizer_of(words, words.size, [EOS])
    assert parser.vocab_size == words.size


def test_a_lark_grammar_is_matched() -> None:
    grammar = compiled('start: "x" (number ",")* "y"\nnumber: /[0-9]{1,2}/', GrammarKind.LARK)
    texts = [text for seed in range(10) if (text := answer(grammar, seed)) is not None]
    assert texts
    assert all(re.fullmatch(r"x([0-9]{1,2},)*y", text) for text in texts)


def test_a_schema_that_refers_to_itself_is_matched_where_an_end_is_possible() -> None:
    tree = {
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#"}, "maxItems": 2}},
        "required": ["children"],
        "additionalProperties": False,
    }
    texts = [text for seed in range(10) if (text := answer(compiled(tree), seed)) is not None]
    assert texts
    for text in texts:
        jsonschema.validate(json.loads(text), tree)


def test_several_answers_with_and_without_a_grammar_go_side_by_side() -> None:
    size = vocabulary().size + MORE_COLUMNS
    grammars = [compiled("a+b", GrammarKind.REGEX), None, compiled("[0-9]{3}", GrammarKind.REGEX)]
    states = [SamplingState(SamplingParams(seed=1), grammar=grammar and grammar.start()) for grammar in grammars]
    logits = np.zeros((3, size), np.float32)
    tokens = Sampler(size).sample(logits, states)
    texts = [vocabulary().token_bytes(token.token_id) for token in tokens]
    assert texts[0].startswith(b"a")
    assert texts[2].isdigit()
    alone = SamplingState(SamplingParams(seed=1))
    assert Sampler(size).sample(logits[1:2], [alone])[0].token_id == tokens[1].token_id


def test_the_answers_of_one_request_are_each_at_their_own_place() -> None:
    grammar = compiled("ab", GrammarKind.REGEX)
    first, second = grammar.start(), grammar.start()
    a, b = (vocabulary().tokenizer.token_to_id(letter) for letter in "ab")
    assert first.accept(a)
    assert first.accept(b)
    assert first.is_complete
    assert not second.is_complete
    assert second.accept(a)


def test_a_complete_answer_ends_before_min_tokens_when_nothing_else_is_allowed() -> None:
    size = vocabulary().size + MORE_COLUMNS
    grammar = compiled("a", GrammarKind.REGEX).start()
    state = SamplingState(SamplingParams(temperature=0), grammar=grammar, min_tokens=9, ending_token_ids=[EOS])
    tokens = []
    for _ in range(2):
        tokens.append(Sampler(size).sample(np.zeros((1, size), np.float32), [state])[0].token_id)
        state.append(tokens[-1])
    assert tokens == [vocabulary().tokenizer.token_to_id("a"), EOS]


def test_an_answer_that_left_its_grammar_has_no_next_token() -> None:
    size = vocabulary().size + MORE_COLUMNS
    states = [SamplingState(SamplingParams(), grammar=compiled("aaa", GrammarKind.REGEX).start()) for _ in range(2)]
    states[0].append(vocabulary().tokenizer.token_to_id("b"))
    first, second = Sampler(size).sample(np.zeros((2, size), np.float32), states)
    assert first.token_id == NO_TOKEN
    assert vocabulary().token_bytes(second.token_id) == b"a"


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


@pytest.mark.parametrize("tokens", ["byte_level", "sentencepiece", "unigram"])
def test_a_text_that_stands_word_for_word_is_answered(tokens: str) -> None:
    """Also where the tokenizer puts a blank before every text, and has the word with it."""
    assert answer(compiled("(the)", GrammarKind.REGEX, tokens), 1, tokens) == "the"
