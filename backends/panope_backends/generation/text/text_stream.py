"""From one sequence's tokens to its text and its end: detokenizer and stops together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from panope_backends.api.generation import FinishReason, GenerationRequest
from panope_backends.generation.text.detokenizer import detokenizer
from panope_backends.generation.text.stops import StopScanner
from panope_backends.generation.text.vocabulary import TokenVocabulary


@dataclass(frozen=True, slots=True)
class TextDelta:
    """What some tokens add to an answer.

    Attributes:
        text: whole characters, nothing that a stop text may still take away.
        token_count: how many of the tokens belong to the answer: all, or those up to the one that ended it.
        finish_reason: STOP where one of them ended it.
        stop_reason: the stop text or stop token that did; None for the model's own.
    """

    text: str
    token_count: int = 0
    finish_reason: FinishReason | None = None
    stop_reason: str | int | None = None


class TextStream:
    """The text of one answer, and where it ends by itself.

    Limits are the caller's business: at `max_tokens`, or when the request is cancelled, it calls `finish`.

    Args:
        vocabulary: of the model.
        request: whose answer it is.
        eos_token_ids: the model's own that end an answer.
        prompt_token_ids: the tokens before the answer.
    """

    def __init__(
        self,
        vocabulary: TokenVocabulary,
        request: GenerationRequest,
        eos_token_ids: Collection[int],
        prompt_token_ids: Sequence[int],
    ) -> None:
        self._includes_stop = request.include_stop
        self._min_tokens = request.min_tokens
        self._eos = frozenset() if request.ignore_eos else frozenset(eos_token_ids)
        self._stop_token_ids = frozenset(request.stop_token_ids)
        self._count = 0
        self._characters = detokenizer(vocabulary, prompt_token_ids, skip_special_tokens=request.skip_special_tokens)
        self._stops = StopScanner(request.stop, include_stop=request.include_stop)

    def push(self, token_ids: Sequence[int]) -> TextDelta:
        """Takes the next tokens, in order; none after one that ended the answer."""
        pieces: list[str] = []
        for count, token_id in enumerate(token_ids, 1):
            self._count += 1
            may_stop = self._count > self._min_tokens
            if may_stop and (token_id in self._stop_token_ids or token_id in self._eos):
                pieces.append(self._end_with(token_id))
                stop_reason = token_id if token_id in self._stop_token_ids else None
                return TextDelta("".join(pieces), count, FinishReason.STOP, stop_reason)
            pieces.append(self._stops.push(self._characters.push(token_id), may_stop=may_stop))
            if self._stops.found is not None:
                return TextDelta("".join(pieces), count, FinishReason.STOP, self._stops.found)
        return TextDelta("".join(pieces), len(token_ids))

    def finish(self) -> str:
        """What was held back, where the answer ends otherwise."""
        return self._stops.finish() + self._characters.finish()

    def _end_with(self, token_id: int) -> str:
        last = self._characters.push(token_id) if self._includes_stop else ""
        return self._stops.finish() + last + self._characters.finish()
