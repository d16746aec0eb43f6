"""The weights of one of sentence-transformers' modules, in float32: safetensors, or a granted pickle read as data."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from panope_backends.errors import PreconditionError

Floats = NDArray[np.float32]

SAFE, PICKLED = "model.safetensors", "pytorch_model.bin"


def read_module_weights(
    folder: Path, kind: str, *, pickles: bool = False, most_bytes: int = 0, unread: Collection[str] = ()
) -> dict[str, Floats]:
    """The tensors of a module by their names.

    Args:
        folder: of the module.
        kind: of the module, for messages.
        pickles: whether an admin lets pickled weights be opened, where there are no others.
        most_bytes: of the file; 0 for any size.
        unread: names of tensors that are of training alone.

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
    if most_bytes and path.stat().st_size > most_bytes:
        raise PreconditionError(f"{path.name} of a {kind} module has more than {most_bytes:,} bytes")
    tensors = _safe(path, kind, unread) if path.name == SAFE else _pickled(path, kind)
    tensors = {name: tensor for name, tensor in tensors.items() if name not in unread}
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise PreconditionError(f"`{name}` of a {kind} module holds values that are not finite")
    return tensors


def _safe(path: Path, kind: str, unread: Collection[str]) -> dict[str, Floats]:
    from safetensors import SafetensorError, safe_open  # few models need it, every start would pay

    try:
        with safe_open(path, "numpy") as file:
            names = [name for name in file.keys() if name not in unread]  # noqa: SIM118 - no mapping
            types = {name: file.get_slice(name).get_dtype() for name in names}
            for name, dtype in types.items():
                if dtype not in ("F64", "F32", "F16", "BF16"):
                    raise PreconditionError(f"`{name}` of a {kind} module has the type {dtype}")
            if "BF16" not in types.values():
                return {name: file.get_tensor(name).astype(np.float32, copy=False) for name in types}
        return _read_whole(path, types)
    except SafetensorError:
        raise PreconditionError(f"the {SAFE} of a {kind} module is broken") from None


def _read_whole(path: Path, names: Collection[str]) -> dict[str, Floats]:
    """Of a file with tensors that NumPy has no type for."""
    from safetensors import deserialize

    tensors = deserialize(path.read_bytes())  # type: ignore[no-untyped-call] # it ships without types
    return {
        name: _as_float32(tensor["dtype"], tensor["data"]).reshape(tensor["shape"])
        for name, tensor in tensors
        if name in names
    }


def _as_float32(dtype: str, data: bytes) -> Floats:
    if dtype == "BF16":
        # The upper half of a float32.
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, {"F64": "<f8", "F32": "<f4", "F16": "<f2"}[dtype]).astype(np.float32)


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
