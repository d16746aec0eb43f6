"""What the graphs of an encoder-decoder do not tell: a JSON file beside them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from panope_backends.api import FeatureSpec, SourceSpec
from panope_backends.errors import PreconditionError

FILE = "openvino_encoder_decoder.json"

ENCODER_FILE = "openvino_encoder.xml"
"""The encoder's graph; the decoder's is `openvino_model.xml`."""

VERSION = 1


class AttentionFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes of one layer's keys and values.

    Attributes:
        heads: of queries, keys and values alike.
        key_size: numbers of one head's key.
        value_size: numbers of one head's value.
    """

    heads: int
    key_size: int
    value_size: int


class SoundFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an encoder of speech reads.

    Attributes:
        max_length: states of a source at most.
        shape: of its features; -1 for any length.
        max_values: along a length of -1; 0 where there is none.
    """

    max_length: int
    shape: tuple[int, ...]
    max_values: int = 0


class EncoderDecoderFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's content.

    Attributes:
        version: of this form.
        vocab_size: columns of the logits.
        max_length: tokens of the decoder at most, and of a source that is a text.
        source: of audio; None for texts.
        own: the decoder's attention to its own tokens, in the order of its layers.
        cross: its attention to sources.
    """

    version: int
    vocab_size: int
    max_length: int
    own: tuple[AttentionFacts, ...]
    cross: tuple[AttentionFacts, ...]
    source: SoundFacts | None = None

    def source_spec(self, token_bytes: int) -> SourceSpec:
        """What the encoder reads, and what is kept of it."""
        if self.source is None:
            return SourceSpec(self.max_length, token_bytes)
        features = FeatureSpec(self.source.shape, self.source.max_values)
        return SourceSpec(self.source.max_length, token_bytes, features)


def write_facts(facts: EncoderDecoderFacts, folder: Path) -> None:
    """Writes the file."""
    (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(facts), indent=1) + b"\n")


def read_facts(folder: Path) -> EncoderDecoderFacts:
    """Reads the file.

    Raises:
        PreconditionError: there is none, or it is not of this form.
    """
    try:
        facts = msgspec.json.decode((folder / FILE).read_bytes(), type=EncoderDecoderFacts)
    except FileNotFoundError:
        raise PreconditionError(
            f"the model has no file `{FILE}`, which Panope writes when it converts an encoder-decoder",
            reason="missing_file",
        ) from None
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise PreconditionError(f"`{FILE}` is not as Panope writes it", reason="load_failed") from error
    if facts.version != VERSION:
        raise PreconditionError(f"`{FILE}` is of another version of Panope; convert the model again")
    return facts
