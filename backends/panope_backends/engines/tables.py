"""How far the tables in a model's weights reach: which token ids and how many positions they have rows for.

Configurations tell it wrong, and families count positions by rules of their own (RoBERTa's start past the padding
token's id). So short texts are run, and what the model looks up in its tables is compared with what it was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

#: Ids of the texts that are run. They do not ascend by one, as positions do, and a padding token is in one at most.
PROBE_IDS = ((10, 7, 11, 8), (9, 5, 4, 6))


@dataclass(frozen=True)
class Lookup:
    """Rows that were read from one table.

    Attributes:
        indices: of the rows.
        rows: of the table.
    """

    indices: Array
    rows: int


@dataclass(frozen=True)
class Tables:
    """How far a model's tables reach.

    Attributes:
        index_limits: by the input whose values are looked up, the rows of its table.
        max_tokens: of one text, which positions have rows for; 0 where no table limits it.
    """

    index_limits: Mapping[str, int] = field(default_factory=dict)
    max_tokens: int = 0


def probe_inputs(names: Iterable[str], batch: int = -1, length: int = -1) -> dict[str, Array]:
    """Texts without padding, int64; an input that texts do not give is left out.

    Args:
        names: of the inputs.
        batch: how many texts; -1 for any.
        length: of each; -1 for any.
    """
    ids = np.array(PROBE_IDS, np.int64)
    ids = np.resize(ids, (batch if batch > 0 else len(ids), ids.shape[1]))
    ids = np.tile(ids, -(-length // ids.shape[1]))[:, :length] if length > 0 else ids
    made = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
        "position_ids": np.tile(np.arange(ids.shape[1]), (len(ids), 1)),
    }
    return {name: made[name] for name in names if name in made}


def tables_of(lookups: Sequence[Lookup], inputs: Mapping[str, Array]) -> Tables:
    """What the lookups of a run with `probe_inputs` tell.

    Args:
        lookups: all of them.
        inputs: that were given.
    """
    limits: dict[str, int] = {}
    positions: list[int] = []
    for lookup in lookups:
        if (name := _input_with(lookup.indices, inputs)) is not None:
            limits[name] = min(lookup.rows, limits.get(name, lookup.rows))
        elif (first := _first_position(lookup.indices)) is not None:
            positions.append(lookup.rows - first)
    if "position_ids" in limits:  # given by the caller, from 0
        positions.append(limits["position_ids"])
    return Tables(limits, max(0, min(positions, default=0)))


def _input_with(indices: Array, inputs: Mapping[str, Array]) -> str | None:
    """The input that these are; models that pad texts have more of it behind."""
    length = len(PROBE_IDS[0])
    start = indices[..., :length]
    return next((name for name, array in inputs.items() if np.array_equal(start, array[:, :length])), None)


def _first_position(indices: Array) -> int | None:
    """Where positions start, if these are positions."""
    length = len(PROBE_IDS[0])
    if indices.ndim == 0 or indices.shape[-1] < length:
        return None
    texts = indices.reshape(-1, indices.shape[-1])[:, :length].astype(np.int64)
    starts = {int(text[0]) for text in texts if (np.diff(text) == 1).all()}
    # Distances between tokens ascend too, from another start at each.
    return starts.pop() if len(starts) == 1 else None
