"""What sampling knows of one sequence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from panope_backends.api.generation import GenerationRequest, SamplingParams
from panope_backends.api.token_rules import TokenRules
from panope_backends.generation.grammar.bitmasks import restrict
from panope_backends.generation.grammar.compiler import GrammarState
from panope_backends.generation.sampling.endings import Ending
from panope_backends.generation.sampling.penalties import LARGEST, Penalties
from panope_backends.generation.sampling.repeated_ngrams import RepeatedNgrams
from panope_backends.generation.sampling.token_rules import RuledTokens

Array = np.ndarray[Any, Any]

#: Temperatures below are greedy, as in vLLM: a quotient by less would leave float32.
_LOWEST_TEMPERATURE = 1e-5


class SamplingState:
    """One sequence's settings, token counts and generator of chance; it outlives the sequence's pre-emptions.

    Adjustments come in vLLM's order: the mask, tokens that may not end the answer yet, the bias, then penalties; what
    would repeat a run of tokens, and what the request's rules leave out, comes last.

    Args:
        params: of the request.
        prompt_token_ids: the tokens before the answer.
        index: of the answer among the request's `n`; each draws differently from the same seed.
        top_logprobs: how many likeliest tokens are told beside each; None for no log-probabilities.
        rules: which tokens may stand where; None for any anywhere.
        ending: what may not end the answer yet, and what must; None for nothing of either.

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
        ending: Ending | None = None,
        grammar: GrammarState | None = None,
        rules: TokenRules | None = None,
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
        self._ending = Ending() if ending is None else ending
        size = params.no_repeat_ngram_size
        self._repeated = RepeatedNgrams(size, prompt_token_ids) if size else None
        self._rules = None if rules is None else RuledTokens(rules)

    @classmethod
    def of(
        cls,
        request: GenerationRequest,
        eos_token_ids: Collection[int],
        index: int = 0,
        grammar: GrammarState | None = None,
        limit: int | None = None,
    ) -> SamplingState:
        """The state at the start of one answer, of `limit` tokens at most, to a request whose prompt is tokens."""
        eos, forced = ((), ()) if request.ignore_eos else (eos_token_ids, request.forced_eos_token_ids)
        return cls(
            request.sampling,
            request.context_token_ids,
            index=index,
            top_logprobs=request.logprobs,
            ending=Ending({*eos, *request.stop_token_ids}, request.min_tokens, forced, limit),
            grammar=grammar,
            rules=request.token_rules,
        )

    def append(self, token_id: int) -> None:
        """Counts one more token of the answer."""
        self._ending.append()
        self._penalties.append(token_id)
        if self._repeated is not None:
            self._repeated.append(token_id)
        if self._rules is not None:
            self._rules.append(token_id)
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
        if self.mask is not None or self._rules is not None:
            return True
        return bool(self._ending or len(self._biased) or self._penalties or self._repeated)

    def adjust(self, logits: Array) -> None:
        """Changes the next token's logits, a row of float32, in place."""
        if self.mask is not None:
            restrict(logits, self.mask)
        if self._ending:
            self._ending.apply(logits)
        logits[self._biased] += self._bias
        self._penalties.apply(logits)
        if self._repeated:
            self._repeated.apply(logits)
        if self._rules is not None:
            self._rules.apply(logits)
