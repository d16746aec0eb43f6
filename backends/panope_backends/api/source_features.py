"""What an encoder of speech reads in the place of tokens: features of audio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class FeatureSpec:
    """The features that an encoder reads, as float32.

    Attributes:
        shape: of one source, such as mel bands × frames; -1 for any length.
        max_length: the most values along a length of -1.
    """

    shape: tuple[int, ...]
    max_length: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class SourceFeatures:
    """The features of one source; two are never equal, because nobody would compare all of their values.

    Attributes:
        values: float32, of the shape that the model's `FeatureSpec` says.
    """

    values: np.ndarray[Any, Any]
