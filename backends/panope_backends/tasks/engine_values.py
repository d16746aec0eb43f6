"""Values of engines that take texts themselves, before they are given to callers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.errors import InternalError


def check_values(values: NDArray[Any], shape: tuple[int, int]) -> None:
    """Refuses values of another number or width than the texts and the trial run ask for, and what is no number.

    Args:
        values: texts × dimensions or labels.
        shape: that they must have.

    Raises:
        InternalError: they are wrong; a row too few would give texts each other's values.
    """
    if values.shape != shape:
        given = " × ".join(map(str, values.shape))
        raise InternalError(
            f"the engine gave {given} values for {shape[0]} texts; it gave {shape[1]} of one in its trial"
        )
    if not np.isfinite(values).all():
        raise InternalError("the model gave values that are not finite")
