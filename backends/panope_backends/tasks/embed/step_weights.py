"""The weights of sentence-transformers' small modules, in float32: safetensors, or a granted pickle read as data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from panope_backends.errors import PreconditionError

Floats = NDArray[np.float32]

SAFE, PICKLED = "model.safetensors", "pytorch_model.bin"

PROJECTED = "panope_projection.safetensors"
"""The projection of ColBERT's by itself, where a conversion left the model's weights behind."""

_COLBERT, _WEIGHT = "ColBERT model", "linear.weight"

#: Of one module's file; the largest in use, a projection of 8,192 to 8,192 values, takes a quarter of it.
_MOST_BYTES = 1 << 30


def read_step_weights(folder: Path, kind: str, *, pickles: bool = False) -> dict[str, Floats]:
    """The tensors of a module by their names.

    Args:
        folder: of the module.
        kind: of the module, for messages.
        pickles: whether an admin lets pickled weights be opened, where there are no others.

    Raises:
        PreconditionError: the file is missing, broken or too large, or holds what is no finite number; the message
            names the module and the tensor.
    """
    path = folder / SAFE
    if not path.is_file():
        if not (folder / PICKLED).is_file():
            raise PreconditionError(f"a {kind} module has no {SAFE}; other formats can run code and are not read")
        if not pickles:
            raise PreconditionError(
                f"the weights of a {kind} module are pickled (`{PICKLED}`), and `grants.pickles` does not list it"
            )
        path = folder / PICKLED
    if path.stat().st_size > _MOST_BYTES:
        raise PreconditionError(f"{path.name} of a {kind} module has more than {_MOST_BYTES:,} bytes")
    tensors = _safe(path, kind) if path.name == SAFE else _pickled(path, kind)
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise PreconditionError(f"`{name}` of a {kind} module holds values that are not finite")
    return tensors


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


def _safe(path: Path, kind: str) -> dict[str, Floats]:
    from safetensors import SafetensorError, deserialize  # few models need it, every start would pay

    try:
        tensors = deserialize(path.read_bytes())  # type: ignore[no-untyped-call] # it ships without types
    except SafetensorError:
        raise PreconditionError(f"the {SAFE} of a {kind} module is broken") from None
    return {name: _as_float32(kind, name, tensor["dtype"], tensor["data"], tensor["shape"]) for name, tensor in tensors}


def _pickled(path: Path, kind: str) -> dict[str, Floats]:
    try:
        import torch
    except ModuleNotFoundError:
        raise PreconditionError(
            f"the weights of a {kind} module are pickled and the package `torch` is not installed: "
            "pip install 'panope-serving[torch]'"
        ) from None
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)  # as data: nothing that it names is called
        tensors = {str(name): tensor.detach().float().numpy() for name, tensor in found.items()}
    except Exception as error:  # of pickle, zip and whatever the file holds instead of tensors
        raise PreconditionError(f"the {PICKLED} of a {kind} module holds no tensors alone") from error
    return tensors


def _as_float32(kind: str, name: str, dtype: str, data: bytes, shape: Sequence[int]) -> Floats:
    if dtype == "BF16":
        # The upper half of a float32.
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    known = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
    if dtype not in known:
        raise PreconditionError(f"`{name}` of a {kind} module has the type {dtype}")
    return np.frombuffer(data, known[dtype]).astype(np.float32).reshape(shape)
