"""Whatever the logits are, an answer under a grammar matches it."""

from __future__ import annotations

import json
import re

import jsonschema
import numpy as np
import pytest
from generation_kinds.grammars import EOS, MORE_COLUMNS, answer, compiled, vocabulary
from generation_kinds.tokenizers import KINDS

from panope_backends.api import GrammarKind, SamplingParams
from panope_backends.generation.grammar.parser import tokenizer_of
from panope_backends.generation.sampling.endings import Ending
from panope_backends.generation.sampling.sampler import NO_TOKEN, Sampler
from panope_backends.generation.sampling.sampling_state import SamplingState
from panope_backends.generation.text.vocabulary import TokenVocabulary


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
    state = SamplingState(SamplingParams(temperature=0), grammar=grammar, ending=Ending([EOS], 9))
    tokens = []
    for _ in range(2):
        tokens.append(Sampler(size).sample(np.zeros((1, size), np.float32), [state])[0].token_id)
        state.append(tokens[-1])
    assert tokens == [vocabulary().tokenizer.token_to_id("a"), EOS]


def test_a_grammar_is_not_broken_to_force_the_end_or_to_avoid_a_repetition() -> None:
    size = vocabulary().size + MORE_COLUMNS
    a = vocabulary().tokenizer.token_to_id("a")
    grammar = compiled("aaaa", GrammarKind.REGEX).start()
    params = SamplingParams(temperature=0, no_repeat_ngram_size=1)
    state = SamplingState(params, [a], grammar=grammar, ending=Ending((), 0, [EOS], limit=3))
    tokens = []
    for _ in range(3):
        tokens.append(Sampler(size).sample(np.zeros((1, size), np.float32), [state])[0].token_id)
        state.append(tokens[-1])
    assert vocabulary().tokenizer.decode(tokens) in ("aaa", "aaaa")
    assert EOS not in tokens


def test_an_answer_that_left_its_grammar_has_no_next_token() -> None:
    size = vocabulary().size + MORE_COLUMNS
    states = [SamplingState(SamplingParams(), grammar=compiled("aaa", GrammarKind.REGEX).start()) for _ in range(2)]
    states[0].append(vocabulary().tokenizer.token_to_id("b"))
    first, second = Sampler(size).sample(np.zeros((2, size), np.float32), states)
    assert first.token_id == NO_TOKEN
    assert vocabulary().token_bytes(second.token_id) == b"a"


@pytest.mark.parametrize("tokens", ["byte_level", "sentencepiece", "unigram"])
def test_a_text_that_stands_word_for_word_is_answered(tokens: str) -> None:
    """Also where the tokenizer puts a blank before every text, and has the word with it."""
    assert answer(compiled("(the)", GrammarKind.REGEX, tokens), 1, tokens) == "the"
