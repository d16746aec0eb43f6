"""What the core needs of sampling and of texts: it moves tokens and knows neither."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from panope_backends.api import FinishReason, GenerationRequest, TokenLogprobs

Array = np.ndarray[Any, Any]


class SampledToken(Protocol):
    """A token that was drawn."""

    @property
    def token_id(self) -> int:
        """The token; -1 where the logits are no numbers or allow none."""

    @property
    def logprobs(self) -> TokenLogprobs | None:
        """Its log-probabilities, when the request asks for them."""


class SamplingState(Protocol):
    """What drawing the next token of one sequence depends on."""

    def append(self, token_id: int) -> None:
        """Notes that the sequence has one token more."""


class TextDelta(Protocol):
    """What an answer's text has more than before."""

    @property
    def text(self) -> str:
        """Whole characters that no stop text may take away."""

    @property
    def finish_reason(self) -> FinishReason | None:
        """STOP when the tokens ended the answer."""

    @property
    def stop_reason(self) -> str | int | None:
        """The stop text or stop token that did."""


class TextStream(Protocol):
    """The text of one answer."""

    def push(self, token_ids: Sequence[int]) -> TextDelta:
        """Takes tokens of the answer."""

    def finish(self) -> str:
        """Gives the text that was held back, when the answer ends by its length."""


class Decoding(Protocol):
    """Everything around the logits of one model."""

    def sampling_state(self, request: GenerationRequest, index: int) -> SamplingState:
        """The state of one answer.

        Raises:
            InvalidInputError: a field of the request cannot be honoured.
        """

    def text_stream(self, request: GenerationRequest) -> TextStream:
        """The text of one answer."""

    def sample(self, logits: Sequence[Array], states: Sequence[SamplingState]) -> Sequence[SampledToken]:
        """Draws a token from each row of logits; they are only read."""

    def score(self, logits: Array, token_ids: Sequence[int], top: int) -> Sequence[TokenLogprobs]:
        """The log-probabilities of given tokens, one a row; the logits are only read."""
