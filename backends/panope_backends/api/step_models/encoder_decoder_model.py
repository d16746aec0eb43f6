"""Encoder-decoders that give logits: a step model whose sequences each look at a source, which an encoder has read.

Sources. The model keeps what its decoder needs of `sources` texts, numbered from 0: the encoder's states, or the keys
and values that the layers of the decoder make of them. `encode` reads a text and keeps it, in the place of what had its
number before. An encoder of speech reads features of audio instead (`source.features`), by `encode_features`. Each
sequence of a step names its source (`StepBatch.sources`), and several may name the same one, as answers to one request
do.

The scheduler owns the sources as it owns the blocks: it alone knows which are in use. What blocks hold depends on the
source too, so no block is shared by sequences of different ones.

Limits. `max_positions` is of the decoder's tokens alone; a source has its own, `source.max_length`. Encoder and decoder
have one vocabulary, `vocab_size`.

Errors. Call `check_source` first in `encode`. After `encode` has failed for another reason, the source is unknown until
it is encoded again, and all others are as they were.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from panope_backends.api.source_features import FeatureSpec
from panope_backends.api.step_models.step_batch import Integers, StepBatch
from panope_backends.api.step_models.step_checks import check_features, check_source, check_sources
from panope_backends.api.step_models.step_model import StepModel

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class SourceSpec:
    """What a model keeps of one source, known once it is loaded.

    Attributes:
        max_length: the most tokens of a source; of features, the most states that the encoder makes of them.
        token_bytes: memory that is kept of each token, or state, of a source.
        features: what the encoder reads in the place of tokens; None for tokens.
    """

    max_length: int
    token_bytes: int
    features: FeatureSpec | None = None


class EncoderDecoderModel(StepModel):
    """A step model with an encoder."""

    source: SourceSpec

    sources: int = 0
    """That it can keep, as the last `allocate_sources` left it; 0 before."""

    @abstractmethod
    def allocate_sources(self, sources: int) -> None:
        """Forgets all sources and makes room for others; called once after loading, and again to change their number.

        Memory may be taken when a source is encoded, and is at most `sources * source.max_length * source.token_bytes`.

        Args:
            sources: how many, at least 1.

        Raises:
            PreconditionError: the device lacks the memory; `sources` is 0 then.
        """

    @abstractmethod
    def encode(self, source: int, tokens: Integers) -> None:
        """Reads a text with the encoder and keeps what the decoder needs of it.

        Args:
            source: the number to keep it by.
            tokens: ids of the whole text, special ones included, from 1 to `source.max_length` of them.

        Raises:
            InvalidInputError: `check_source` refuses them.
        """

    def encode_features(self, source: int, features: np.ndarray[Any, Any]) -> None:
        """Reads features of audio with the encoder and keeps what the decoder needs of them.

        Args:
            source: the number to keep it by.
            features: float32, of the shape that `source.features` says.

        Raises:
            InvalidInputError: `check_features` refuses them, as it does at any model that reads tokens.
        """
        self.check_features(source, features)
        raise NotImplementedError

    @abstractmethod
    def forward(self, batch: StepBatch) -> np.ndarray[Any, Any]:
        """As of every step model; a batch has `sources`.

        Raises:
            InvalidInputError: `check` refuses the batch, or a source was not encoded (the field is `sources`).
        """

    def check(self, batch: StepBatch) -> None:
        """As of every step model, and that every sequence has a source."""
        super().check(batch)
        check_sources(batch, self.sources)

    def check_source(self, source: int, tokens: Integers) -> None:
        """Checks what `encode` takes.

        Raises:
            InvalidInputError: `field` is `source` for a number that no source has, `tokens` for no tokens, too many of
                them, or ids that the vocabulary lacks.
        """
        check_source(
            source, tokens, sources=self.sources, max_length=self.source.max_length, vocab_size=self.vocab_size
        )

    def check_features(self, source: int, features: np.ndarray[Any, Any]) -> None:
        """Checks what `encode_features` takes.

        Raises:
            InvalidInputError: `field` is `source` for a number that no source has, `features` for a model that reads
                tokens, another shape or type, or values that are no numbers.
        """
        check_features(source, features, sources=self.sources, spec=self.source.features)
