"""Holds a backend to what its model says of itself: what it answers is looked at before a task works with it.

A backend may be anybody's. An array of another kind or rank than it told would be an error deep within a task, whose
words name nothing that anybody could mend, or an answer that is quietly another text's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from panope_backends.api import Arrays, LoadedModel, TensorModel, TensorSpec
from panope_backends.errors import InternalError, PreconditionError

TOKENS = "input_ids"
TEXTS = frozenset({TOKENS, "attention_mask", "token_type_ids", "position_ids"})
"""What a model takes that reads texts and nothing beside them."""


def checked(loaded: object, backend: str, model: str) -> LoadedModel:
    """What a backend has loaded, held to what it says.

    Args:
        loaded: by the backend.
        backend: its name, for messages.
        model: the model's.

    Raises:
        PreconditionError: it is no model.
    """
    if isinstance(loaded, TensorModel):
        return CheckedModel(loaded, backend)
    if isinstance(loaded, LoadedModel):
        return loaded
    raise PreconditionError(
        f"what the backend `{backend}` loads for `{model}` is no model, but a `{type(loaded).__name__}`",
        reason="unsupported_model_kind",
    )


class CheckedModel(TensorModel):
    """A model of a backend, whose answers are looked at.

    Args:
        model: of the backend.
        backend: the backend's name.
    """

    def __init__(self, model: TensorModel, backend: str) -> None:
        self._model = model
        self._backend = backend
        self._require_description()
        self.precision = model.precision
        self.inputs, self.outputs = list(model.inputs), list(model.outputs)
        self.index_limits, self.max_tokens, self.metadata = model.index_limits, model.max_tokens, model.metadata
        self.has_trial = model.has_trial

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        """As the backend's.

        Raises:
            InternalError: the answer is not what the model says of itself.
        """
        found: Any = self._model.run(arrays, outputs)
        wanted = [spec for spec in self.outputs if not outputs or spec.name in outputs]
        if not isinstance(found, dict):
            raise self._wrong(f"answers with a `{type(found).__name__}` in place of named arrays")
        for spec in wanted:
            self._check(spec, found.get(spec.name), arrays)
        return found

    def free_memory_bytes(self) -> int | None:
        """As the backend's tells."""
        return self._model.free_memory_bytes()

    def close(self) -> None:
        """Frees the backend's."""
        self._model.close()

    def _check(self, spec: TensorSpec, array: object, arrays: Arrays) -> None:
        if array is None:
            raise self._wrong(f"does not give `{spec.name}`, which its model says it has")
        if not isinstance(array, np.ndarray):
            raise self._wrong(f"gives `{spec.name}` as a `{type(array).__name__}` in place of an array")
        if array.dtype.name != spec.dtype:
            raise self._wrong(f"gives `{spec.name}` as {array.dtype.name}, and its model says {spec.dtype}")
        if spec.shape and (array.ndim != len(spec.shape) or not _fits(spec, array, arrays)):
            told, real = _shape(spec.shape), _shape(array.shape)
            raise self._wrong(f"gives `{spec.name}` as {real}, and its model says {told}")

    def _require_description(self) -> None:
        """What a model must say of itself, for all else is made of that."""
        for name in ("inputs", "outputs"):
            told = getattr(self._model, name, None)
            if not isinstance(told, Sequence) or not all(isinstance(spec, TensorSpec) for spec in told):
                raise self._wrong(f"loads a model whose `{name}` are not a list of `TensorSpec`")
        if not isinstance(getattr(self._model, "precision", None), str):
            raise self._wrong("loads a model that does not say as `precision`, a text, what it computes in")

    def _wrong(self, what: str) -> InternalError:
        return InternalError(f"the backend `{self._backend}` {what}", reason="wrong_answer")


def _fits(spec: TensorSpec, array: np.ndarray[Any, Any], arrays: Arrays) -> bool:
    """Of models of texts alone: whether each text has a row, as wide as the model says.

    Other models' rows may be of images beside the texts, and their files often tell lengths that do not hold, which
    harms nobody.
    """
    if TOKENS not in arrays or not arrays.keys() <= TEXTS:
        return True
    rows = spec.shape[0] >= 0 or array.shape[0] == arrays[TOKENS].shape[0]
    return rows and spec.shape[-1] in (-1, array.shape[-1])


def _shape(sizes: Sequence[int]) -> str:
    return f"[{', '.join('any' if size < 0 else str(size) for size in sizes)}]"
