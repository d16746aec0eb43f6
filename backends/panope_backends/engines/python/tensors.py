"""What a model's code gives, held to what its configuration says; texts as bytes, whatever they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import TensorSpec
from panope_backends.errors import InternalError

Array = NDArray[Any]

WRONG_ANSWER = "wrong_answer"


def checked_outputs(found: Mapping[str, object], specs: Sequence[TensorSpec], batch: int | None) -> dict[str, Array]:
    """The arrays that are wanted, as arrays of their own.

    Args:
        found: by name, what the model's code gives.
        specs: of what is wanted.
        batch: the length of the first axis of all of them; None where they have none of their own.

    Raises:
        InternalError: naming the output, what it is and what it should be.
    """
    return {spec.name: _checked(found, spec, batch) for spec in specs}


def _checked(found: Mapping[str, object], spec: TensorSpec, batch: int | None) -> Array:
    if spec.name not in found:
        given = ", ".join(f"`{name[:64]}`" for name in list(found)[:8]) or "nothing"
        raise wrong(f"does not give `{spec.name}`, but {given}")
    array = found[spec.name]
    if not isinstance(array, np.ndarray):
        raise wrong(f"gives `{spec.name}` as a {type(array).__name__} in place of an array")
    if spec.dtype == "object":
        array = _texts(array, spec.name)
    shape = spec.shape if batch is None else (batch, *spec.shape[1:])
    if array.dtype.name != spec.dtype or not _fits(array.shape, shape):
        raise wrong(f"gives `{spec.name}` as {_told(array.dtype.name, array.shape)}, and should give "
                    f"{_told(spec.dtype, shape)}")  # fmt: skip
    # A copy: code may give its input, or a buffer that it fills again.
    return np.array(array, order="C", copy=True)


def _texts(array: Array, name: str) -> Array:
    """Elements as bytes: Triton's models give bytes, or texts."""
    if array.dtype.kind not in "OSU":
        return array
    texts = np.empty(array.size, object)
    for index, element in enumerate(array.ravel().tolist()):
        if not isinstance(element, str | bytes):
            raise wrong(f"gives `{name}` with a {type(element).__name__} among its elements, and should give texts")
        texts[index] = element.encode(errors="replace") if isinstance(element, str) else element
    return texts.reshape(array.shape)


def wrong(what: str) -> InternalError:
    """The error of a model whose answer is none."""
    return InternalError(f"the model's own code {what}", reason=WRONG_ANSWER)


def _fits(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    return len(shape) == len(wanted) and all(want in (-1, length) for length, want in zip(shape, wanted, strict=True))


def _told(dtype: str, shape: Sequence[int]) -> str:
    kind = "texts" if dtype == "object" else dtype
    return f"{kind} of shape [{', '.join('any' if length < 0 else str(length) for length in shape)}]"
