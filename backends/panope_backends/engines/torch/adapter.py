"""Reads a LoRA adapter's tensors, and merges them into a loaded model.

Merging is done in float32: the same as PEFT's own merge, and no cost at any token. `decoder.adapters` runs them beside
the weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from panope_backends.errors import PreconditionError
from panope_backends.lora import (
    CONFIG,
    WEIGHTS,
    AdaptedModule,
    AdapterConfig,
    AdapterTensors,
    read_config,
    read_tensors,
)


@dataclass(frozen=True)
class AdapterFiles:
    """An adapter whose files are open.

    Attributes:
        config: its settings.
        tensors: what they change.
        read: a tensor by its name, which lies in the file while that is open.
    """

    config: AdapterConfig
    tensors: AdapterTensors
    read: Callable[[str], Any]


@contextmanager
def open_adapter(folder: Path) -> Iterator[AdapterFiles]:
    """Opens an adapter's files; within, no gradients are kept.

    Raises:
        InvalidInputError: they do not go together.
        PreconditionError: they cannot be read, or are of a kind that is not applied.
    """
    try:
        config = read_config(json.loads((folder / CONFIG).read_text()))
        with safe_open(folder / WEIGHTS, "pt") as file, torch.inference_mode(False), torch.no_grad():
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
            yield AdapterFiles(config, read_tensors(shapes, config), file.get_tensor)
    except (OSError, ValueError, SafetensorError) as error:
        raise PreconditionError("the adapter's files cannot be read", reason="load_failed") from error


def merge_adapter(model: Any, folder: Path) -> None:
    """Changes a model's weights as an adapter says.

    Args:
        model: of transformers, with the base's weights.
        folder: the adapter's files.

    Raises:
        InvalidInputError: the adapter's files do not go together.
        PreconditionError: it is of a kind that is not applied, or does not fit the model (`adapter_mismatch`).
    """
    with open_adapter(folder) as files:
        for parameter, name in files.tensors.replaced.items():
            _replace(model, parameter, files.read(name))
        for adapted in files.tensors.modules:
            _merge(model, adapted, files)


def _replace(model: Any, parameter: str, values: Any) -> None:
    name, _, kind = parameter.rpartition(".")
    module = module_of(model, name)
    old = getattr(module, kind, None)
    if not isinstance(old, torch.Tensor) or old.shape != values.shape:
        raise mismatch(f"it replaces `{parameter}`, which the model has not, or not of that shape")
    _put(module, kind, values)


def _merge(model: Any, adapted: AdaptedModule, files: AdapterFiles) -> None:
    module = module_of(model, adapted.name)
    down, up = files.read(adapted.down).float(), files.read(adapted.up).float()
    change = (up @ down) * files.config.scale_of(adapted.name)
    turned = has_inputs_first(module, adapted)
    weight = module.weight.float()
    weight = weight.T if turned else weight
    if weight.shape != change.shape:
        raise mismatch(f"it adapts `{adapted.name}` of another shape")
    merged = weight + change
    if adapted.magnitude:
        merged *= (files.read(adapted.magnitude).float() / torch.linalg.norm(merged, dim=1))[:, None]
    _put(module, "weight", merged.T if turned else merged)


def has_inputs_first(module: Any, adapted: AdaptedModule) -> bool:
    """Whether a module's weight is `[inputs, outputs]`.

    Raises:
        PreconditionError: the module is not of the kind that the adapter changes.
    """
    from transformers.pytorch_utils import Conv1D

    if isinstance(module, torch.nn.Embedding) and adapted.is_embedding:
        return True
    if isinstance(module, torch.nn.Linear | Conv1D) and not adapted.is_embedding:
        return isinstance(module, Conv1D)
    raise mismatch(f"it adapts `{adapted.name}`, which is a {type(module).__name__} in the model")


def _put(module: Any, kind: str, values: Any) -> None:
    """A parameter of its own: what the old one is tied to, such as a table to a head, stays as it is."""
    old = getattr(module, kind)
    new = torch.nn.Parameter(values.to(old.dtype).contiguous(), requires_grad=False)
    setattr(module, kind, new)


def module_of(model: Any, name: str) -> Any:
    """A module by the name that it had in training, where it may have been a part of a model with a head, or whole.

    Raises:
        PreconditionError: the model does not have it.
    """
    prefix = f"{model.base_model_prefix}."
    for each in (name, name.removeprefix(prefix), f"{prefix}{name}"):
        try:
            return model.get_submodule(each)
        except AttributeError:
            continue
    raise mismatch(f"it changes `{name}`, which the model does not have")


def mismatch(problem: str) -> PreconditionError:
    """The error for an adapter of another model."""
    return PreconditionError(f"the adapter does not fit its base model: {problem}", reason="adapter_mismatch")
