"""What a converted model is: the graph that the NPU runs, what is computed before it, and a description of both."""

from __future__ import annotations

from pathlib import Path

import msgspec

from panope_backends.errors import PreconditionError

DESCRIPTION = "qnn.json"
GRAPH = "qnn_model.onnx"
"""The graph with its floats as integers (QDQ); one row, fixed lengths."""
FIRST = "qnn_first.onnx"
"""What is computed of the mask before, in float on the processor; a model without masks has none."""

#: What hides a token in attention: exp of it is 0, and 16 bits still tell small numbers beside it.
LEAST_MASK = -100.0


class Tensor(msgspec.Struct, frozen=True):
    """An input or output as callers see it.

    Attributes:
        shape: -1 for the rows of a call, and for the tokens of a row.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]


class Description(msgspec.Struct, frozen=True):
    """A converted model.

    Attributes:
        precision: `w8a16` or `w8a8`: bits of weights and of what is computed.
        length: tokens of a row in the graph; 0 of a model that takes no texts.
        masks: the graph's inputs that come of `FIRST`.
        early: outputs that come of `FIRST` too, for they are computed of the mask alone.
        max_tokens: of one text.
        vocabulary: how many token ids there are; 0 when unknown, and without texts.
    """

    precision: str
    length: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    masks: tuple[str, ...] = ()
    early: tuple[str, ...] = ()
    max_tokens: int = 0
    vocabulary: int = 0


def read_description(folder: Path) -> Description:
    """Reads `qnn.json`.

    Raises:
        PreconditionError: it, or a graph, is missing, or it says something else.
    """
    for name in (DESCRIPTION, GRAPH):
        if not (folder / name).is_file():
            raise PreconditionError(f"the model has no file `{name}`", reason="missing_file")
    try:
        found = msgspec.json.decode((folder / DESCRIPTION).read_bytes(), type=Description)
    except msgspec.DecodeError as error:
        raise PreconditionError(f"`{DESCRIPTION}` is not understood", reason="load_failed") from error
    if found.masks and not (folder / FIRST).is_file():
        raise PreconditionError(f"the model has no file `{FIRST}`", reason="missing_file")
    return found
