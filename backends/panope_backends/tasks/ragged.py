"""Rows of several lengths, as tasks give them for texts of several lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from panope_backends.tasks.task import Rows


def ragged(rows: Sequence[Rows]) -> Rows:
    """Rows of several lengths as one array of arrays."""
    found = np.empty(len(rows), object)
    for index, row in enumerate(rows):
        found[index] = row
    return found
