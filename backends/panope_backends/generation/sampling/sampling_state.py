"""What sampling knows of one sequence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from panope_backends.api.generation import GenerationRequest, SamplingParams
from panope_backends.generation.grammar.bitmasks import restrict
from panope_backends.generation.grammar.compiler import GrammarState
from panope_backends.generation.sampling.penalties import LARGEST, Penalties

Array = np.ndarray[Any, Any]

#: Temperatures below are greedy, as in vLLM: a quotient by less would leave float32.
_LOWEST_TEMPERATURE = 1e-5


class SamplingState:
    """One sequence's settings, token counts and generator of chance; it outlives the sequence's pre-emptions.

    Adjustments come in vLLM's order: the mask, tokens that may not end the answer yet, the bias, then penalties.

    Args:
        params: of the request.
        prompt_token_ids: the tokens before the answer.
        index: of the answer among the request's `n`; each draws differently from the same seed.
        top_logprobs: how many likeliest tokens are told beside each; None for no log-probabilities.
        min_tokens: of the answer, before which none of `ending_token_ids` is drawn.
        ending_token_ids: tokens that end the answer.

    Attributes:
        grammar: what the answer must match; None for anything.
        mask: bits of the tokens allowed next, set before each step from the grammar; None for all.
    """

    def __init__(
        self,
        params: SamplingParams,
        prompt_token_ids: Sequence[int] = (),
        *,
        index: int = 0,
        top_logprobs: int | None = None,
        min_tokens: int = 0,
        ending_token_ids: Collection[int] = (),
        grammar: GrammarState | None = None,
    ) -> None:
        self.params = params
        self.top_logprobs = top_logprobs
        self.grammar = grammar
        self.mask: Array | None = None
        self.is_greedy = params.temperature < _LOWEST_TEMPERATURE
        self._random = np.random.default_rng(None if params.seed is None else [params.seed % (1 << 64), index])
        self._penalties = Penalties(params, prompt_token_ids)
        self._biased = np.fromiter(params.logit_bias.keys(), np.int64)
        self._bias = np.fromiter(params.logit_bias.values(), np.float64).clip(-LARGEST, LARGEST).astype(np.float32)
        self._ending = np.fromiter(ending_token_ids, np.int64)
        self._tokens_until_end = min_tokens if len(self._ending) else 0

    @classmethod
    def of(
        cls,
        request: GenerationRequest,
        eos_token_ids: Collection[int],
        index: int = 0,
        grammar: GrammarState | None = None,
    ) -> SamplingState:
        """The state at the start of one answer to a request whose prompt is tokens."""
        eos = () if request.ignore_eos else eos_token_ids
        return cls(
            request.sampling,
            request.context_token_ids,
            index=index,
            top_logprobs=request.logprobs,
            min_tokens=request.min_tokens,
            ending_token_ids={*eos, *request.stop_token_ids},
            grammar=grammar,
        )

    def append(self, token_id: int) -> None:
        """Counts one more token of the answer."""
        self._tokens_until_end = max(0, self._tokens_until_end - 1)
        self._penalties.append(token_id)
        if self.grammar is not None:
            self.grammar.accept(token_id)

    def chance(self) -> float:
        """The next random number, in [0, 1)."""
        return self._random.random()

    @property
    def is_cheap(self) -> bool:
        """Whether the next token is the likeliest and nothing else is told."""
        return self.is_greedy and self.top_logprobs is None and not self.adjusts

    @property
    def adjusts(self) -> bool:
        """Whether the next token's logits are changed at all."""
        return bool(self.mask is not None or self._tokens_until_end or len(self._biased) or self._penalties)

    def adjust(self, logits: Array) -> None:
        """Changes the next token's logits, a row of float32, in place."""
        if self.mask is not None:
            restrict(logits, self.mask)
        if self._tokens_until_end:
            self._forbid_end(logits)
        logits[self._biased] += self._bias
        self._penalties.apply(logits)

    def _forbid_end(self, logits: Array) -> None:
        """Unless the grammar allows nothing else: then the answer is complete, however short."""
        before = logits[self._ending]
        logits[self._ending] = -np.inf
        if self.mask is not None and logits.max() == -np.inf:
            logits[self._ending] = before
