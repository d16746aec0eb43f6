"""Answers that match a grammar: JSON schemas, regular expressions and Lark grammars as masks of allowed tokens.

The parser is llguidance's. Sources come from strangers: their size, the parser's work for them and the time that they
take to compile are limited, and what the parser says of them is told in words of our own (`grammar.errors`).
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
from llguidance import LLMatcher

from panope_backends.api.generation import Grammar, GrammarKind
from panope_backends.errors import InvalidInputError, OverloadedError
from panope_backends.generation.grammar.bitmasks import empty_masks
from panope_backends.generation.grammar.errors import number_too_large, refusal, too_complex, too_large
from panope_backends.generation.grammar.parser import executor, limits, source_of, tokenizer_of
from panope_backends.generation.text.vocabulary import TokenVocabulary

Array = np.ndarray[Any, Any]

MAX_SOURCE_BYTES = 64 << 10
COMPILE_SECONDS = 5.0

_LARGEST_INTEGER = 1 << 53
_MOST_DIGITS = 17
_COMPILING_AT_ONCE = 2
_COMPILED_KEPT = 64
_STEPS_TRIED = 4
_NO_EXTENSION = "NoExtension"


class GrammarState:
    """Where one answer is in its grammar.

    Args:
        matcher: the parser's, of this answer alone.
        vocab_size: tokens that masks have bits for.
    """

    def __init__(self, matcher: LLMatcher, vocab_size: int) -> None:
        self.matcher = matcher
        self.vocab_size = vocab_size

    @property
    def is_complete(self) -> bool:
        """Whether the answer matches and may end here."""
        return self.matcher.is_accepting()

    def accept(self, token_id: int) -> bool:
        """Moves on by a token; False for one that is not allowed, after which none is."""
        return self.matcher.consume_token(token_id)

    def fill(self, mask: Array) -> None:
        """Sets the bits of the tokens allowed next; none where the parser has given up."""
        self.matcher.unsafe_compute_mask_ptr(mask.ctypes.data, mask.nbytes)
        if self.matcher.is_error():  # the parser then allows the end of the answer, which does not match
            mask[:] = 0


class CompiledGrammar:
    """A grammar that answers can start with; safe to call from several threads."""

    def __init__(self, matcher: LLMatcher, vocab_size: int) -> None:
        self._matcher = matcher
        self._vocab_size = vocab_size
        self._lock = threading.Lock()

    def start(self) -> GrammarState:
        """The state before the first token of an answer."""
        with self._lock:
            return GrammarState(self._matcher.deep_copy(), self._vocab_size)


class GrammarCompiler:
    """Compiles grammars for one model; safe to call from several threads.

    Made when the model is loaded: for a vocabulary of 150,000 the parser reads it for a second, in which it holds the
    interpreter's lock, and keeps 60 MB.

    A grammar is compiled in a thread of its own, which holds no lock of the interpreter, so a step that runs meanwhile
    goes on. Results are kept, refusals too.

    Args:
        vocabulary: of the model.
        vocab_size: columns of the model's logits.
        eos_token_ids: the model's own that end an answer.
        compile_seconds: how long a caller waits for a grammar.
    """

    def __init__(
        self,
        vocabulary: TokenVocabulary,
        vocab_size: int,
        eos_token_ids: Collection[int],
        *,
        compile_seconds: float = COMPILE_SECONDS,
    ) -> None:
        self._vocab_size = max(vocab_size, vocabulary.size)
        self._eos_token_ids = sorted(eos_token_ids)
        self._seconds = compile_seconds
        self._tokenizer = (
            tokenizer_of(vocabulary, self._vocab_size, self._eos_token_ids) if self._eos_token_ids else None
        )
        self._lock = threading.Lock()
        self._known: OrderedDict[Grammar, Future[CompiledGrammar | InvalidInputError]] = OrderedDict()
        self._places = threading.Semaphore(_COMPILING_AT_ONCE)

    def compile(self, grammar: Grammar) -> CompiledGrammar:
        """The grammar, compiled now or before.

        Raises:
            InvalidInputError: it is too large or too complex, not in the language or unsatisfiable; `grammar`.
            OverloadedError: others are being compiled, and take too long.
        """
        self._check(grammar)
        try:
            result = self._future(grammar).result(self._seconds)
        except TimeoutError:
            raise too_complex() from None
        if isinstance(result, InvalidInputError):
            raise result.renamed(str)  # a new one: each raise writes its traceback into the error
        return result

    def _check(self, grammar: Grammar) -> None:
        try:
            size = len(grammar.source.encode())
        except UnicodeEncodeError:
            raise InvalidInputError.at("grammar", "{field} has lone surrogates") from None
        if size > MAX_SOURCE_BYTES:
            raise too_large(size, MAX_SOURCE_BYTES)
        if grammar.kind is GrammarKind.JSON_SCHEMA:
            _check_numbers(grammar.source)
        if self._tokenizer is None:
            raise InvalidInputError.at(
                "grammar", "the model takes no {field}: it has no token that ends an answer", reason="unsupported_field"
            )

    def _future(self, grammar: Grammar) -> Future[CompiledGrammar | InvalidInputError]:
        with self._lock:
            if grammar in self._known:
                self._known.move_to_end(grammar)
                return self._known[grammar]
        if not self._places.acquire(timeout=self._seconds):
            raise OverloadedError("other grammars are being compiled", retry_after_seconds=1)
        future: Future[CompiledGrammar | InvalidInputError] = Future()
        with self._lock:
            self._known[grammar] = future
            if len(self._known) > _COMPILED_KEPT:
                self._known.popitem(last=False)
        threading.Thread(target=self._run, args=(grammar, future), name="grammar", daemon=True).start()
        return future

    def _run(self, grammar: Grammar, future: Future[CompiledGrammar | InvalidInputError]) -> None:
        try:
            future.set_result(self._compiled(grammar))
        except BaseException as error:
            with self._lock:
                self._known.pop(grammar, None)
            future.set_exception(error)
        finally:
            self._places.release()

    def _compiled(self, grammar: Grammar) -> CompiledGrammar | InvalidInputError:
        try:
            source = source_of(grammar)
        except ValueError as error:  # the source is no JSON object
            return refusal(grammar.kind, str(error))
        assert self._tokenizer is not None, "`compile` refuses all grammars of a model without an end"
        matcher = LLMatcher(self._tokenizer, source, log_level=0, limits=limits())
        if matcher.is_error():
            return refusal(grammar.kind, matcher.get_error())
        if fault := self._fault_at_start(GrammarState(matcher.deep_copy(), self._vocab_size)):
            return refusal(grammar.kind, fault)
        return CompiledGrammar(matcher, self._vocab_size)

    def _fault_at_start(self, state: GrammarState) -> str:
        """What the parser says against the first tokens: whether there are any is known only then."""
        mask = empty_masks(1, self._vocab_size)[0]
        for _ in range(_STEPS_TRIED):
            state.fill(mask)
            token_ids = np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))
            going_on = token_ids[~np.isin(token_ids, self._eos_token_ids)]
            if not len(going_on):
                break
            if not state.accept(int(going_on[0])):
                # Too complex, or the only bytes that may come are those of no token.
                return f"{state.matcher.get_error()} {_NO_EXTENSION}"
        return state.matcher.get_error() if state.matcher.is_error() else ""


def _check_numbers(schema: str) -> None:
    """Refuses whole numbers that the parser, which reads them as float64, would take for others."""

    def check(digits: str) -> None:
        if len(digits) > _MOST_DIGITS or abs(int(digits)) > _LARGEST_INTEGER:
            raise number_too_large()

    # What is no JSON at all is left to the parser.
    with contextlib.suppress(ValueError, RecursionError):
        json.loads(schema, parse_int=check)


def fill_masks(states: Sequence[GrammarState], masks: Array) -> None:
    """Fills a row for each answer, those of several in parallel."""
    if len(states) == 1:
        states[0].fill(masks[0])
        return
    rows = [(state.matcher, row) for row, state in enumerate(states)]
    executor().unsafe_compute_mask_ptr(rows, masks.ctypes.data, masks[0].nbytes, len(masks))
    for row, state in enumerate(states):
        if state.matcher.is_error():
            masks[row] = 0
