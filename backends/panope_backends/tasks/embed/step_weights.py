"""The weights of sentence-transformers' small modules, in float32: safetensors, or a granted pickle read as data."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from panope_backends.errors import PreconditionError
from panope_backends.model_facts.module_weights import PICKLED, SAFE, Floats, read_module_weights

__all__ = ["PICKLED", "PROJECTED", "SAFE", "keep_projection", "read_projection", "read_step_weights", "require_width"]

PROJECTED = "panope_projection.safetensors"
"""The projection of ColBERT's by itself, where a conversion left the model's weights behind."""

_COLBERT, _WEIGHT = "ColBERT model", "linear.weight"

#: Of one module's file; the largest in use, a projection of 8,192 to 8,192 values, takes a quarter of it.
_MOST_BYTES = 1 << 30


def read_step_weights(
    folder: Path, kind: str, *, pickles: bool = False, unread: Collection[str] = ()
) -> dict[str, Floats]:
    """The tensors of a module by their names; see `read_module_weights`.

    Raises:
        PreconditionError: as there, also for a file of more than 1 GiB.
    """
    return read_module_weights(folder, kind, pickles=pickles, most_bytes=_MOST_BYTES, unread=unread)


def require_width(vectors: Floats, width: int, folder: str) -> None:
    """Refuses vectors of another width than a module takes.

    Raises:
        PreconditionError: names the module's folder and both widths.
    """
    if vectors.shape[-1] != width:
        raise PreconditionError(
            f"the module in {folder} takes {width:,} values, and the one before it gives {vectors.shape[-1]:,}"
        )


def read_projection(folder: Path, *, pickles: bool = False) -> Floats:
    """The projection that ColBERT's own code keeps among the model's weights.

    Args:
        folder: of the model.
        pickles: whether an admin lets pickled weights be opened, where there are no others.

    Raises:
        PreconditionError: as `read_step_weights`, or there is none.
    """
    from safetensors import SafetensorError, safe_open

    path = next((folder / name for name in (PROJECTED, SAFE) if (folder / name).is_file()), None)
    found = None
    if path is None:
        found = read_step_weights(folder, _COLBERT, pickles=pickles).get(_WEIGHT)
    else:
        try:
            with safe_open(path, "numpy") as file:  # one tensor of many
                names = set(file.keys())
                found = file.get_tensor(_WEIGHT).astype(np.float32) if _WEIGHT in names else None
        except (SafetensorError, TypeError, AttributeError):  # it is broken, or of a type that NumPy has not
            raise PreconditionError(f"`{_WEIGHT}` in {path.name} cannot be read") from None
    if found is None or found.ndim != 2 or not np.isfinite(found).all():
        raise PreconditionError(f"the weights of a {_COLBERT} have no `{_WEIGHT}` of finite numbers")
    return found


def keep_projection(folder: Path, out: Path, *, pickles: bool = False) -> None:
    """Writes the projection by itself, beside what a conversion makes of the other weights."""
    from safetensors.numpy import save_file

    save_file({_WEIGHT: read_projection(folder, pickles=pickles)}, out / PROJECTED)
