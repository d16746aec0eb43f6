"""The protocol of Text Generation Inference: prompts, one answer an exchange. Its chats are OpenAI's protocol.

Fields: https://huggingface.github.io/text-generation-inference/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import Struct

from panope_backends.api import (
    FinishReason,
    GenerationRequest,
    GenerationUsage,
    GrammarKind,
    Logprob,
    SamplingParams,
    TokenDelta,
    TokenLogprobs,
)
from panope_backends.engines.remote.decoding import Count, checked_logprob, decoded, require_no_error
from panope_backends.engines.remote.generation.dialect import Asked
from panope_backends.engines.remote.refusals import needs_limit, no_answer
from panope_backends.generation.text.stops import StopScanner

_HONOURED = frozenset(
    "prompt temperature top_k top_p repetition_penalty frequency_penalty seed n stop include_stop logprobs "
    "grammar".split()
)
_GRAMMARS = {GrammarKind.JSON_SCHEMA: "json", GrammarKind.REGEX: "regex"}
#: TGI takes seeds of 64 bits without a sign.
_SEEDS = 1 << 64

_FINISHES = {
    "length": FinishReason.LENGTH,
    "eos_token": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
}


class _Token(Struct):
    id: Count
    text: str
    logprob: float | None = None
    special: bool = False


class _Details(Struct):
    finish_reason: str
    generated_tokens: Count = 0
    input_length: Count = 0


class _Event(Struct):
    token: _Token | None = None
    top_tokens: list[_Token] | None = None
    details: _Details | None = None
    error: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


_EVENTS = msgspec.json.Decoder(_Event)


class TgiDialect:
    """`/generate_stream`."""

    honoured = _HONOURED

    def unsupported(self, request: GenerationRequest) -> tuple[str, ...]:
        """Grammars other than JSON schemas and regular expressions, and more likely tokens than TGI tells."""
        grammar = request.grammar is not None and request.grammar.kind not in _GRAMMARS
        return ("grammar",) * grammar + ("logprobs",) * ((request.logprobs or 0) > 5)

    def asked(self, request: GenerationRequest) -> Sequence[Asked]:
        """An exchange for each answer.

        Raises:
            InvalidInputError: no limit was given, and TGI has a short one.
        """
        if request.max_tokens is None:
            raise needs_limit()
        names = {wire: name for name, wire in _NAMES.items()}
        return [
            Asked("/generate_stream", msgspec.json.encode(_body(request, index)), names) for index in range(request.n)
        ]

    def answers(self, request: GenerationRequest, index: int) -> TgiAnswer:
        """One answer."""
        return TgiAnswer(request, index)


_NAMES = {
    "prompt": "inputs",
    "max_tokens": "max_new_tokens",
    **{name: name for name in ("temperature", "top_k", "top_p", "repetition_penalty", "frequency_penalty", "seed")},
    "stop": "stop",
    "grammar": "grammar",
}


def _body(request: GenerationRequest, index: int) -> dict[str, Any]:
    """TGI draws only where it is told to, and refuses what would change nothing."""
    sampling = request.sampling
    draws = sampling.temperature > 0 and (bool(request.given) or sampling != SamplingParams())
    parameters: dict[str, Any] = {
        "max_new_tokens": request.max_tokens,
        "do_sample": draws,
        "details": True,
        "return_full_text": False,
    }
    if draws:
        optional = {
            "temperature": sampling.temperature if sampling.temperature != 1 else None,
            "top_k": sampling.top_k or None,
            "top_p": sampling.top_p if sampling.top_p < 1 else None,
            "seed": None if sampling.seed is None else (sampling.seed + index) % _SEEDS,
        }
        parameters |= {name: value for name, value in optional.items() if value is not None}
    if sampling.repetition_penalty != 1:
        parameters["repetition_penalty"] = sampling.repetition_penalty
    if sampling.frequency_penalty:
        parameters["frequency_penalty"] = sampling.frequency_penalty
    if request.stop:
        parameters["stop"] = request.stop
    if request.logprobs:
        parameters["top_n_tokens"] = request.logprobs
    if request.grammar is not None:
        source = request.grammar.source
        is_json = request.grammar.kind is GrammarKind.JSON_SCHEMA
        value = msgspec.Raw(source.encode()) if is_json else source
        parameters["grammar"] = {"type": _GRAMMARS[request.grammar.kind], "value": value}
    return {"inputs": request.prompt, "parameters": parameters}


class TgiAnswer:
    """The events of one answer.

    TGI's texts keep the stop that ended them; what is kept here is the scanner's business.

    Args:
        request: that is answered.
        index: of the answer.
    """

    def __init__(self, request: GenerationRequest, index: int) -> None:
        self._empty = TokenDelta(request.id, index)
        self._wanted = request.logprobs
        self._stops = StopScanner(request.stop, include_stop=request.include_stop)
        self._details: _Details | None = None
        self._counted = 0

    @property
    def has_ended(self) -> bool:
        """Whether the last event has come."""
        return self._details is not None

    @property
    def is_complete(self) -> bool:
        """The last event tells everything."""
        return self.has_ended

    def take(self, event: bytes) -> Sequence[TokenDelta]:
        """A token, and perhaps the end."""
        told = decoded(event, _EVENTS)
        require_no_error(told.error)
        if self.has_ended or (told.details is not None and told.details.finish_reason not in _FINISHES):
            raise no_answer()
        self._details = told.details
        made = self._of_token(told.token, told.top_tokens or ()) if told.token is not None else self._empty
        if told.details is not None and self._stops.found is None:
            made = replace(made, text=made.text + self._stops.finish())
        return [made] if made.text or made.logprobs or made.token_ids else []

    def ends(self) -> Sequence[TokenDelta]:
        """The end, if it has come."""
        if self._details is None:
            return []
        reason = FinishReason.STOP if self._stops.found is not None else _FINISHES[self._details.finish_reason]
        return [replace(self._empty, finish_reason=reason, stop_reason=self._stops.found)]

    def usage(self) -> GenerationUsage:
        """As the server tells."""
        if self._details is None:
            return GenerationUsage(0, self._counted)
        return GenerationUsage(self._details.input_length, self._details.generated_tokens)

    def _of_token(self, token: _Token, top: Sequence[_Token]) -> TokenDelta:
        self._counted += 1
        text = "" if token.special or self._stops.found is not None else self._stops.push(token.text)
        made = replace(self._empty, token_ids=(token.id,), text=text)
        if self._wanted is None:
            return made
        likeliest = sorted((_logprob(each) for each in top), key=lambda each: -each.logprob)[: self._wanted]
        return replace(made, logprobs=(TokenLogprobs(_logprob(token), tuple(likeliest)),))


def _logprob(token: _Token) -> Logprob:
    value = 0.0 if token.logprob is None else checked_logprob(token.logprob)
    return Logprob(token.id, token.text.encode("utf-8", "replace"), value)
