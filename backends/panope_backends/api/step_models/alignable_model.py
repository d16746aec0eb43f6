"""Encoder-decoders that tell how much each token looks at which part of its source, so that tokens can be placed in it.

The attention of some of Whisper's heads follows the audio word by word; which these are, the model's files say. What
is told is what was computed when the tokens were drawn: the weights behind the softmax, of the tokens as the decoder's
input.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from panope_backends.api.step_models.encoder_decoder_model import EncoderDecoderModel
from panope_backends.api.step_models.step_batch import StepBatch
from panope_backends.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy as np

Head: TypeAlias = tuple[int, int]
"""One of the decoder's heads that attend to sources: its layer, and its place there, both from 0."""


class AlignableModel(EncoderDecoderModel):
    """An encoder-decoder that tells its attention to sources."""

    source_heads: tuple[int, ...] = ()
    """How many heads of each of the decoder's layers attend to sources; empty where this model tells nothing of them.
    """

    @abstractmethod
    def source_attention(self, batch: StepBatch, heads: Sequence[Head]) -> np.ndarray[Any, Any]:
        """Computes a whole sequence again, as `forward` did part by part, and tells what it looked at.

        Args:
            batch: of one sequence, from its first token on; the blocks of its table are written with what they hold.
            heads: at least one of `source_heads`.

        Returns:
            float32, heads × tokens × states of the source; what a head gives a token sums to 1.

        Raises:
            InvalidInputError: `check_heads` refuses the heads, or as `forward`.
        """

    def check_heads(self, heads: Sequence[Head]) -> None:
        """Checks what `source_attention` takes.

        Raises:
            InvalidInputError: there are none, or one that the model has not; the field is `alignment_heads`.
        """
        known = all(
            0 <= layer < len(self.source_heads) and 0 <= head < self.source_heads[layer] for layer, head in heads
        )
        if not heads or not known:
            raise InvalidInputError.at("alignment_heads", "{field} must be heads of the model's decoder")
