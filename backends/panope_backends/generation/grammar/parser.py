"""llguidance, set up: its tokenizers, its limits, its threads and its way to write grammars."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, TypedDict

from llguidance import LLExecutor, LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper

from panope_backends.api.generation import Grammar, GrammarKind
from panope_backends.generation.text.vocabulary import TokenVocabulary
from panope_backends.host.processors import shared_threads

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions  # of its type stubs alone

_MOST_THREADS = 8

#: JSON without blanks but those after `:` and `,`, which models are used to. With free white space a weak model writes
#: blanks until its limit. What a schema says of these things itself, and of leniency, does not count.
_JSON: JsonCompileOptions = {
    "whitespace_flexible": False,
    "whitespace_pattern": None,
    "item_separator": ", ",
    "key_separator": ": ",
    "lenient": False,
    "coerce_one_of": False,
}


def source_of(grammar: Grammar) -> str:
    """The grammar in the parser's own language.

    Raises:
        ValueError: a schema is no JSON object.
    """
    match grammar.kind:
        case GrammarKind.JSON_OBJECT:
            return LLMatcher.grammar_from_json_schema('{"type": "object"}', overrides=_JSON)
        case GrammarKind.JSON_SCHEMA:
            return LLMatcher.grammar_from_json_schema(grammar.source, overrides=_JSON)
        case GrammarKind.REGEX:
            return LLMatcher.grammar_from_regex(grammar.source)
        case GrammarKind.LARK:
            return LLMatcher.grammar_from_lark(grammar.source)


@cache
def limits() -> LLParserLimits:
    """What one grammar may cost: some seconds when it is compiled, some tens of milliseconds and megabytes later."""
    return LLParserLimits(
        max_items_in_row=2_000,
        initial_lexer_fuel=1_000_000,
        step_lexer_fuel=200_000,
        step_max_items=50_000,
        max_lexer_states=20_000,
        max_grammar_size=200_000,
        verbose_errors=False,
    )


@cache
def executor() -> LLExecutor:
    """The threads that fill several masks at once."""
    return LLExecutor(shared_threads(_MOST_THREADS))


def tokenizer_of(vocabulary: TokenVocabulary, vocab_size: int, eos_token_ids: Sequence[int]) -> LLTokenizer:
    """A vocabulary as the parser has it; it takes about a second for a large one.

    It reads the common kinds of tokenizers itself, and for others is given the bytes of each token.
    """
    settings: _TokenizerSettings = {"n_vocab": vocab_size, "eos_token": list(eos_token_ids)}
    if vocabulary.is_byte_level or vocabulary.falls_back_on_bytes:
        with contextlib.suppress(ValueError):  # of a kind that it does not read after all
            return LLTokenizer(vocabulary.tokenizer.to_str(), **settings)
    return LLTokenizer(TokenizerWrapper(_Words(vocabulary, vocab_size, eos_token_ids[0])), **settings)


class _TokenizerSettings(TypedDict):
    n_vocab: int
    eos_token: list[int]


class _Words:
    """A vocabulary as the parser takes it."""

    bos_token_id = None

    def __init__(self, vocabulary: TokenVocabulary, vocab_size: int, eos_token_id: int) -> None:
        self.eos_token_id = eos_token_id
        self.special_token_ids = sorted(vocabulary.special_ids)
        self.tokens = [vocabulary.token_bytes(token_id) for token_id in range(vocab_size)]
        self._tokenizer = vocabulary.tokenizer
        self._longest = max(map(len, self.tokens), default=0)

    def __call__(self, text: str) -> list[int]:
        ids = list(self._tokenizer.encode(text, add_special_tokens=False).ids)
        whole = text.encode()
        if b"".join(self.tokens[token_id] for token_id in ids) == whole:
            return ids
        # A tokenizer that puts a blank before every text, as SentencePiece does: the parser wants what stands there.
        return self._pieces(whole)

    def _pieces(self, text: bytes) -> list[int]:
        """The longest tokens that follow each other in a text, as far as there are any."""
        ids: list[int] = []
        begin = 0
        while begin < len(text):
            sizes = range(min(self._longest, len(text) - begin), 0, -1)
            size = next((size for size in sizes if text[begin : begin + size] in self._ids), 0)
            if not size:
                break
            ids.append(self._ids[text[begin : begin + size]])
            begin += size
        return ids

    @cached_property
    def _ids(self) -> dict[bytes, int]:
        special = frozenset(self.special_token_ids)
        return {token: token_id for token_id, token in enumerate(self.tokens) if token and token_id not in special}
