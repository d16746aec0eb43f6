"""What turns the logits of one model into tokens, and tokens into texts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from panope_backends.api import GenerationRequest, TokenLogprobs
from panope_backends.generation.grammar.compiler import GrammarCompiler
from panope_backends.generation.request_limits import require_sensible
from panope_backends.generation.sampling import logprobs
from panope_backends.generation.sampling.sampler import SampledToken, Sampler
from panope_backends.generation.sampling.sampling_state import SamplingState
from panope_backends.generation.text.text_stream import TextStream
from panope_backends.generation.text.vocabulary import TokenVocabulary

Array = np.ndarray[Any, Any]


@dataclass(slots=True)
class AnswerState:
    """What one answer needs beside its tokens; it outlives pre-emption.

    Attributes:
        sampling: draws its tokens.
        stream: makes text of them.
    """

    sampling: SamplingState
    stream: TextStream


class Decoding:
    """The sampler and the texts of one model.

    Args:
        vocabulary: of its tokenizer.
        vocab_size: columns of its logits.
        eos_token_ids: the tokens that end its answers.
    """

    def __init__(self, vocabulary: TokenVocabulary, vocab_size: int, eos_token_ids: Collection[int]) -> None:
        self._vocabulary = vocabulary
        self._eos_token_ids = frozenset(token_id for token_id in eos_token_ids if 0 <= token_id < vocab_size)
        self._vocab_size = vocab_size
        self._grammars = GrammarCompiler(vocabulary, vocab_size, self._eos_token_ids)
        self._sampler = Sampler(vocab_size, vocabulary.token_bytes)

    def check(self, request: GenerationRequest) -> None:
        """Refuses a request that cannot be honoured, and compiles its grammar, which can take seconds.

        Call it from a thread that may wait, before the request is submitted: `start` then finds the grammar compiled.

        Raises:
            InvalidInputError: a field of the request cannot be honoured.
            OverloadedError: too many other grammars are being compiled.
        """
        require_sensible(request, self._vocab_size)
        if request.grammar is not None:
            self._grammars.compile(request.grammar)

    def start(self, request: GenerationRequest, limit: int) -> list[AnswerState]:
        """The states of a request's answers, of `limit` tokens at most.

        Raises:
            InvalidInputError: a field of the request cannot be honoured.
            OverloadedError: too many other grammars are being compiled.
        """
        require_sensible(request, self._vocab_size)
        grammar = None if request.grammar is None else self._grammars.compile(request.grammar)
        return [
            AnswerState(
                SamplingState.of(request, self._eos_token_ids, index, grammar.start() if grammar else None, limit),
                TextStream(self._vocabulary, request, self._eos_token_ids, request.context_token_ids),
            )
            for index in range(request.n)
        ]

    def sample(self, rows: Sequence[Array], states: Sequence[AnswerState]) -> list[SampledToken]:
        """Draws a token from each row of logits."""
        return self._sampler.sample(rows, [state.sampling for state in states])

    def score(self, logits: Array, token_ids: Sequence[int], top: int) -> list[TokenLogprobs]:
        """The log-probabilities of given tokens, one a row."""
        return logprobs.of_rows(logits, token_ids, top, self._vocabulary.token_bytes)
