"""A request as llama.cpp's `/completion` takes it, and its events as deltas.

Fields: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md#post-completion
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from panope_backends.api import (
    FinishReason,
    GenerationRequest,
    GenerationUsage,
    SamplingParams,
    TokenDelta,
)
from panope_backends.generation.text.stops import StopScanner

HONOURED = frozenset(
    "prompt prompt_token_ids temperature top_k top_p min_p repetition_penalty logit_bias seed n stop include_stop "
    "ignore_eos priority".split()
)
"""What llama.cpp does as the contract says. `priority` asks for nothing: what is submitted has its slots, and no other
waits. Its presence and frequency penalties count the prompt too; it leaves out the tokens of a character before the one
that completes it, and their log-probabilities; and a grammar that it cannot read it leaves out, instead of refusing it.
"""

#: The contract's order: penalties, then temperature, then what cuts the distribution.
_SAMPLERS = ["penalties", "temperature", "top_k", "top_p", "min_p"]

#: Of what llama.cpp reads into 32 bits.
_MOST_TOKENS = (1 << 31) - 1
_SEEDS = 1 << 32
_NO_SEED = _SEEDS - 1


def body_of(request: GenerationRequest, index: int, prompt: tuple[int, ...], positions: int) -> dict[str, Any]:
    """The body for one answer to a prompt, where the two have so many positions together."""
    room = positions - len(prompt)
    body = {
        "prompt": prompt,
        "n_predict": min(request.max_tokens or room, room),
        "ignore_eos": request.ignore_eos,
        "stream": True,
    }
    return body | _sampling(request.sampling, index, positions)


def _sampling(params: SamplingParams, index: int, positions: int) -> dict[str, Any]:
    return {
        "samplers": _SAMPLERS,
        "temperature": params.temperature,
        "top_k": min(params.top_k, _MOST_TOKENS),
        "top_p": params.top_p,
        "min_p": params.min_p,
        "repeat_penalty": params.repetition_penalty,
        "repeat_last_n": positions,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "logit_bias": [list(pair) for pair in params.logit_bias.items()],
        "seed": _NO_SEED if params.seed is None else (params.seed + index) % _NO_SEED,
    }


class Answer:
    """One answer to a request: makes deltas of llama.cpp's events, and counts.

    llama.cpp has stop texts too, and loses what it holds back for one that does not come; so they are found here.
    """

    def __init__(self, request: GenerationRequest, index: int) -> None:
        self.prompt_tokens = 0
        self.cached_tokens = 0
        self.completion_tokens = 0
        self.has_ended = False
        self._empty = TokenDelta(request.id, index)
        self._stops = StopScanner(request.stop, include_stop=request.include_stop)

    def delta_of(self, event: Mapping[str, Any]) -> TokenDelta | None:
        """What an event adds; None for nothing."""
        self.prompt_tokens = int(event.get("tokens_evaluated", 0))
        self.completion_tokens = int(event.get("tokens_predicted", 0))
        self.cached_tokens = int(event.get("timings", {}).get("cache_n", self.cached_tokens))
        delta = replace(self._empty, text=self._stops.push(str(event["content"])))
        if self._stops.found is not None:
            return self._last(delta, FinishReason.STOP, self._stops.found)
        if event["stop"]:
            reason = FinishReason.LENGTH if event.get("stop_type") == "limit" else FinishReason.STOP
            return self._last(replace(delta, text=delta.text + self._stops.finish()), reason)
        return delta if delta.text else None

    def end(self, reason: FinishReason) -> TokenDelta:
        """The end of an answer that runs still."""
        return self._last(replace(self._empty, text=self._stops.finish()), reason)

    def _last(self, delta: TokenDelta, reason: FinishReason, stop: str | None = None) -> TokenDelta:
        self.has_ended = True
        return replace(delta, finish_reason=reason, stop_reason=stop)


def usage_of(answers: Sequence[Answer]) -> GenerationUsage:
    """What all answers to a request took."""
    return GenerationUsage(
        prompt_tokens=max(answer.prompt_tokens for answer in answers),
        completion_tokens=sum(answer.completion_tokens for answer in answers),
        cached_tokens=answers[0].cached_tokens,
    )
