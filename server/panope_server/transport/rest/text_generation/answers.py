"""The answers of Text Generation Inference's routes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import orjson

from panope_backends.errors import PanopeError
from panope_server.tasks.generate.types import GenerateDelta, GenerateOutput, Logprob, TokenLogprobs
from panope_server.transport.errors import message_of
from panope_server.transport.rest.json.events import event
from panope_server.transport.rest.text_generation.errors import kind_of
from panope_server.transport.rest.text_generation.schemas import (
    DetailsJson,
    FinishReasonJson,
    GeneratedTextJson,
    GeneratedTokenJson,
    GenerateParameters,
    PromptTokenJson,
    StreamDetailsJson,
    TextGenerationBody,
)


class TextGenerationAnswer:
    """One answer in this shape.

    Args:
        body: that asked for it.
        first_id: of the prompt's first token, of which nothing else is told; -1 where it is not needed.
    """

    def __init__(self, body: TextGenerationBody, first_id: int = -1) -> None:
        self._inputs = body.inputs
        self._given = body.parameters or GenerateParameters()
        self._first_id = first_id
        self._text = body.inputs if self._given.return_full_text else ""
        self._tokens = 0
        self._waiting: GenerateDelta | None = None

    def whole(self, output: GenerateOutput) -> bytes:
        """The JSON of the whole answer."""
        (delta,) = output.deltas
        told: GeneratedTextJson = {"generated_text": self._text + delta.text}
        if self._given.details:
            told["details"] = self._details(delta)
        return orjson.dumps(told)

    def events(self, part: GenerateOutput) -> bytes:
        """One event for each token; the last waits for the usage, which it tells."""
        told = b"".join(self._token_events(delta) for delta in part.deltas)
        if part.usage is None or self._waiting is None:
            return told
        delta, self._waiting = self._waiting, None
        details: StreamDetailsJson = {
            "finish_reason": _finish_reason(delta),
            "generated_tokens": self._tokens,
            "seed": self._given.seed,
            "input_length": part.usage.prompt_tokens,
        }
        return told + self._last_event(delta, details if self._given.details else None)

    def end(self) -> bytes:
        """Nothing: the last token's event is the end."""
        return b""

    def failed(self, error: PanopeError) -> bytes:
        """An event with the error."""
        return event({"error": message_of(error), "error_type": kind_of(error)})

    def _token_events(self, delta: GenerateDelta) -> bytes:
        self._text += delta.text
        self._tokens += len(_tokens_told(delta))
        if delta.finish_reason is not None:
            self._waiting = delta
            return b""
        return b"".join(event(token) for token in self._tokens_of(delta, self._tokens))

    def _last_event(self, delta: GenerateDelta, details: StreamDetailsJson | None) -> bytes:
        *before, last = self._tokens_of(delta, self._tokens) or [_no_token(self._tokens)]
        last |= {"generated_text": self._text, "details": details}
        return b"".join(map(event, [*before, last]))

    def _tokens_of(self, delta: GenerateDelta, count: int) -> list[dict[str, Any]]:
        """The events of a delta's tokens, of which the last is the answer's token number `count`."""
        tokens, texts = _tokens_told(delta), _texts(delta)
        first = count - len(tokens) + 1
        return [
            {
                "index": first + place,
                "token": _token(told.chosen, text, special=_is_end(delta, place)),
                **({"top_tokens": _top(told)} if self._given.top_n_tokens else {}),
                "generated_text": None,
                "details": None,
            }
            for place, (told, text) in enumerate(zip(tokens, texts, strict=True))
        ]

    def _details(self, delta: GenerateDelta) -> DetailsJson:
        tokens = [
            _token(told.chosen, text, special=_is_end(delta, place))
            for place, (told, text) in enumerate(zip(delta.logprobs, _texts(delta), strict=True))
        ]
        details: DetailsJson = {
            "finish_reason": _finish_reason(delta),
            "generated_tokens": len(delta.logprobs),
            "seed": self._given.seed,
            "prefill": list(self._prefill(delta)) if self._given.decoder_input_details else [],
            "tokens": tokens,
        }
        if self._given.top_n_tokens:
            details["top_tokens"] = [_top(told) for told in delta.logprobs]
        return details

    def _prefill(self, delta: GenerateDelta) -> Iterator[PromptTokenJson]:
        text = delta.first_prompt_token.decode(errors="replace")
        yield {"id": self._first_id, "text": text, "logprob": None}
        for each in delta.prompt_logprobs:
            token = each.chosen
            yield {"id": token.token_id, "text": token.text.decode(errors="replace"), "logprob": token.logprob}


def _finish_reason(delta: GenerateDelta) -> FinishReasonJson:
    if delta.finish_reason == "length":
        return "length"
    return "eos_token" if delta.stop is None else "stop_sequence"


def _tokens_told(delta: GenerateDelta) -> list[TokenLogprobs]:
    """The tokens of a delta; those of an engine that tells no probabilities have none, and the last has the text."""
    if delta.logprobs:
        return delta.logprobs
    ids = delta.token_ids or ([-1] if delta.text else [])
    return [TokenLogprobs(Logprob(token, b"", math.nan)) for token in ids]


def _is_end(delta: GenerateDelta, place: int) -> bool:
    """Whether a token of a delta is the model's own that ended the answer."""
    ended = delta.finish_reason is not None and _finish_reason(delta) == "eos_token"
    return ended and place == len(_tokens_told(delta)) - 1


def _texts(delta: GenerateDelta) -> list[str]:
    """What each token adds to the text; all with the last where a character or a stop lies across several."""
    each = [told.chosen.text.decode(errors="replace") for told in _tokens_told(delta)]
    if delta.finish_reason is not None and _finish_reason(delta) == "eos_token" and "".join(each[:-1]) == delta.text:
        return each
    if not each or "".join(each) == delta.text:
        return each
    return [*[""] * (len(each) - 1), delta.text]


def _token(told: Logprob, text: str, *, special: bool) -> GeneratedTokenJson:
    # NaN is written as null.
    return {"id": told.token_id, "text": text, "logprob": told.logprob, "special": special}


def _top(told: TokenLogprobs) -> list[GeneratedTokenJson]:
    return [_token(each, each.text.decode(errors="replace"), special=False) for each in told.top]


def _no_token(count: int) -> dict[str, Any]:
    """The last event of an answer that ends without a token."""
    return {"index": count, "token": {"id": -1, "text": "", "logprob": 0.0, "special": True}}
