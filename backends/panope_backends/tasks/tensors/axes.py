"""Axes that must have one length in a call, checked before anything runs.

Engines take it for granted that they have: given a mask for one text and ids for 64, OpenVINO reads past the mask's end
and answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from panope_backends.api import TensorSpec
from panope_backends.errors import Field, InvalidInputError

_BATCH, _TOKENS, _DECODER_TOKENS = "batch", "tokens", "decoder tokens"

#: What the first two axes of transformers' inputs mean, by the inputs' names; exporters often name them apart.
_MEANINGS = dict.fromkeys(
    ("input_ids", "attention_mask", "token_type_ids", "position_ids", "inputs_embeds", "bbox"), (_BATCH, _TOKENS)
) | dict.fromkeys(("decoder_input_ids", "decoder_attention_mask", "decoder_inputs_embeds"), (_BATCH, _DECODER_TOKENS))

#: Inputs that hold what earlier calls have seen; beside them a mask is longer than the ids.
_PAST = "past_key"


def check_axes(arrays: Mapping[str, NDArray[Any]], specs: Sequence[TensorSpec]) -> None:
    """Refuses lengths that differ where the model's file, or the inputs' names, say that they are one.

    Args:
        arrays: one for each spec, of its shape.
        specs: of the model's inputs.

    Raises:
        InvalidInputError: names both tensors.
    """
    has_past = any(spec.name.startswith(_PAST) for spec in specs)
    first: dict[tuple[str, str], tuple[str, int]] = {}
    for spec in specs:
        shape = arrays[spec.name].shape
        for axis, kind, name in _named_axes(spec, has_past=has_past):
            of, length = first.setdefault((kind, name), (spec.name, shape[axis]))
            if shape[axis] != length:
                raise InvalidInputError.at(
                    f"inputs[{spec.name}]",
                    "{field} has the shape {shape}; its axis {axis} ({name}) must have the length {length:,}, "
                    "as in {other}",
                    shape=list(shape),
                    axis=axis,
                    name=name,
                    length=length,
                    other=Field(f"inputs[{of}]"),
                )


def _named_axes(spec: TensorSpec, *, has_past: bool) -> Iterator[tuple[int, str, str]]:
    """Each free axis that has a name, with the kind of the name: the file's own, or that of its meaning."""
    for axis, length in enumerate(spec.shape):
        if length != -1:
            continue
        own = spec.axes[axis] if spec.axes else ""
        if own:
            yield axis, "own", own
        if meaning := _meaning(spec, axis, own, has_past=has_past):
            yield axis, "meaning", meaning


def _meaning(spec: TensorSpec, axis: int, own: str, *, has_past: bool) -> str:
    meanings = _MEANINGS.get(spec.name)
    if meanings is None:
        # Without a name, an axis that comes first counts the examples of a batch.
        return _BATCH if axis == 0 and not own else ""
    if axis >= len(meanings) or len(spec.shape) < len(meanings):
        return ""
    return "" if has_past and axis == 1 else meanings[axis]
