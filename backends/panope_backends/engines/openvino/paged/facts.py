"""What a graph with markers does not tell of its model: a JSON file beside it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from panope_backends.errors import PreconditionError

FILE = "openvino_paged.json"

VERSION = 1


class PagedLayer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one layer's attention is; as `AttentionLayer` of the torch engine.

    Attributes:
        heads: of the queries.
        kv_heads: of keys and values.
        key_size: numbers of one head's key, and of a query.
        value_size: numbers of one head's value.
        scale: the factor of the scores.
        window: how many tokens a token sees, itself included; 0 for all before it.
    """

    heads: int
    kv_heads: int
    key_size: int
    value_size: int
    scale: float
    window: int


class PagedFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's content.

    Attributes:
        version: of this form.
        vocab_size: columns of the logits.
        max_positions: of one sequence.
        layers: in the order of the model.
    """

    version: int
    vocab_size: int
    max_positions: int
    layers: tuple[PagedLayer, ...]


def write_facts(facts: PagedFacts, folder: Path) -> None:
    """Writes the file."""
    (folder / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(facts), indent=1) + b"\n")


def read_facts(folder: Path) -> PagedFacts:
    """Reads the file.

    Raises:
        PreconditionError: there is none, or it is not of this form.
    """
    try:
        facts = msgspec.json.decode((folder / FILE).read_bytes(), type=PagedFacts)
    except FileNotFoundError:
        raise PreconditionError(
            f"the model has no file `{FILE}`, which Panope writes when it converts a decoder", reason="missing_file"
        ) from None
    except msgspec.DecodeError as error:
        raise PreconditionError(f"`{FILE}` is not what Panope writes: {error}", reason="load_failed") from None
    if facts.version != VERSION:
        raise PreconditionError(f"`{FILE}` is of version {facts.version}, not {VERSION}", reason="load_failed")
    return facts
