"""What an adapter's files say of it, read from its configuration and the header of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from panope_backends.lora import CONFIG, WEIGHTS, AdapterConfig, AdapterTensors, Shapes, read_config, read_tensors
from panope_registry.inspect.documents import read_object
from panope_registry.inspect.file_bytes import Header
from panope_registry.inspect.headers.safetensors import read_shapes
from panope_registry.names import shown

_MOST_NAMES = 12
"""Of the modules that it changes, for people."""


@dataclass(frozen=True)
class AdapterFacts:
    """An adapter.

    Attributes:
        config: its settings.
        config_file: where they are, in the repo.
        weights_file: where its weights are.
        shapes: of its tensors.
        tensors: what they change.
    """

    config: AdapterConfig
    config_file: str
    weights_file: str
    shapes: Shapes
    tensors: AdapterTensors

    @property
    def told(self) -> str:
        """What it is, for people."""
        config, modules = self.config, self.tensors.modules
        kind = f"{'rank-stabilised ' * config.is_root_scaled}{'DoRA' if config.is_dora else 'LoRA'}"
        ranks = sorted({self.shapes[module.down][0] for module in modules})
        names = sorted({module.name.rpartition(".")[2] for module in modules})
        targets = ", ".join(shown(name) for name in names[:_MOST_NAMES])
        if len(names) > _MOST_NAMES:
            targets += f" and {len(names) - _MOST_NAMES} more"
        told = f"{kind} of rank {', '.join(map(str, ranks[:4]))} and alpha {config.alpha:g} in {len(modules)} modules"
        replaced = len(self.tensors.replaced)
        return f"{told}: {targets}" + (f"; it replaces {replaced} weights as they are" if replaced else "")


def read_adapter(files: Mapping[str, Header], folder: str) -> AdapterFacts | None:
    """Reads an adapter; None where there is none.

    Args:
        files: relative path -> where the bytes are; whole weights are not among them.
        folder: that the transformer is loaded from; empty for the root.

    Raises:
        InvalidInputError: its files are broken, or do not go together.
        PreconditionError: it is of a kind that is not applied (`unsupported_adapter`).
    """
    config_file, weights_file = (str(PurePosixPath(folder) / name) for name in (CONFIG, WEIGHTS))
    if config_file not in files or weights_file not in files:
        return None
    config = read_config(read_object(files[config_file], config_file))
    shapes = read_shapes(files[weights_file], weights_file)
    return AdapterFacts(config, config_file, weights_file, shapes, read_tensors(shapes, config))
