"""Models that map named arrays to named arrays: encoders, detectors, whatever answers in one run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from panope_backends.api.loaded_model import LoadedModel

if TYPE_CHECKING:
    import numpy as np  # the registry uses these types too, and commands that look at models start without NumPy

Arrays: TypeAlias = "Mapping[str, np.ndarray[Any, Any]]"
"""Named arrays, C-contiguous, little-endian."""


@dataclass(frozen=True)
class TensorSpec:
    """What a model takes or gives under one name.

    Attributes:
        dtype: NumPy's name; `object` for texts, whose elements are `bytes`.
        shape: -1 where any length is accepted.
        axes: the names that the model's own file gives its axes, empty where it gives none; axes of one name have one
            length in a call. Empty when it names no axis.
        is_optional: of an input, whether a call may leave it out; `run` then gets no array of that name.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    axes: tuple[str, ...] = ()
    is_optional: bool = False


class TensorModel(LoadedModel):
    """A loaded model that maps named arrays to named arrays."""

    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    index_limits: Mapping[str, int] = {}
    """By the names of inputs whose values are looked up in a table of the weights: how many rows it has.

    Panope refuses values outside 0 and that before `run`. Inputs that are left out are the engine's own business.
    """

    max_tokens: int = 0
    """The most tokens of one text that the weights have positions for; 0 where no table sets a limit, or none is known.
    """

    has_trial: bool = True
    """Whether zeros are an input that it answers, so that it is tried with them before it serves, where it leaves no
    choice of shape but the size of the batch; what anybody's code makes of zeros is not known.
    """

    metadata: Mapping[str, str] = {}
    """What the model's file says beside its tensors, such as an ONNX file's `metadata_props`; empty where nobody asks.
    """

    @abstractmethod
    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        """Runs once.

        Args:
            arrays: one array for each input, but for optional ones, of the input's dtype and shape; the caller has
                checked both.
            outputs: the names wanted; empty for all.

        Returns:
            One array for each wanted output.
        """
