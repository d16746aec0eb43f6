"""Grammars over small tokenizers, and what random logits answer under them."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
from generation_kinds.tokenizers import KINDS

from panope_backends.api import Grammar, GrammarKind, SamplingParams
from panope_backends.generation.grammar.compiler import CompiledGrammar, GrammarCompiler
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
