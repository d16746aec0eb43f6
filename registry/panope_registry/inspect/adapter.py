"""What an adapter's files say of it: as PEFT saves it, or in llama.cpp's format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.lora import (
    CONFIG,
    GGUF_WEIGHTS,
    WEIGHTS,
    AdapterConfig,
    AdapterTensors,
    Shapes,
    check_base,
    read_config,
    read_tensors,
)
from panope_registry.inspect.documents import read_object
from panope_registry.inspect.file_bytes import Header
from panope_registry.inspect.headers.gguf import ADAPTER_KEYS, TYPE_KEY, read_gguf
from panope_registry.inspect.headers.safetensors import read_shapes
from panope_registry.inspect.weights import WeightSet
from panope_registry.names import shown

_MOST_NAMES = 12
"""Of the modules that it changes, for people."""


class AdapterFacts(ABC):
    """An adapter.

    Attributes:
        format: of the bases that it fits.
        files: path in the repo -> name in the folder where an adapter lies beside its base.
        base: the model that was trained on, as its author called it; empty without one.
        base_revision: of that model's repo; empty for its newest.
    """

    format: str
    files: Mapping[str, str]
    base: str = ""
    base_revision: str = ""

    @property
    @abstractmethod
    def told(self) -> str:
        """What it is, for people."""

    @abstractmethod
    def check(self, weights: Mapping[str, Header]) -> None:
        """Compares with the headers of a base's weights.

        Args:
            weights: path -> where the bytes are, of all files.

        Raises:
            InvalidInputError: it is of another model (`adapter_mismatch`).
        """


class PeftAdapter(AdapterFacts):
    """An adapter as PEFT saves it.

    Args:
        config: its settings.
        files: as of every adapter.
        shapes: of its tensors.
        tensors: what they change.
    """

    format = "safetensors"

    def __init__(
        self, config: AdapterConfig, files: Mapping[str, str], shapes: Shapes, tensors: AdapterTensors
    ) -> None:
        self.files = files
        self.base, self.base_revision = config.base, config.base_revision
        self.config = config
        self._shapes, self._tensors = shapes, tensors

    @property
    def told(self) -> str:
        """Its kind, ranks and modules."""
        config, modules = self.config, self._tensors.modules
        kind = f"{'rank-stabilised ' * config.is_root_scaled}{'DoRA' if config.is_dora else 'LoRA'}"
        ranks = sorted({self._shapes[module.down][0] for module in modules})
        names = sorted({module.name.rpartition(".")[2] for module in modules})
        targets = ", ".join(shown(name) for name in names[:_MOST_NAMES])
        if len(names) > _MOST_NAMES:
            targets += f" and {len(names) - _MOST_NAMES} more"
        told = f"{kind} of rank {', '.join(map(str, ranks[:4]))} and alpha {config.alpha:g} in {len(modules)} modules"
        replaced = len(self._tensors.replaced)
        return f"{told}: {targets}" + (f"; it replaces {replaced} weights as they are" if replaced else "")

    def check(self, weights: Mapping[str, Header]) -> None:
        """Compares names and shapes."""
        base: dict[str, tuple[int, ...]] = {}
        for path, file in weights.items():
            base |= read_shapes(file, path)
        check_base(self._tensors, self._shapes, base)


class GgufAdapter(AdapterFacts):
    """An adapter in llama.cpp's format. What its tensors fit, llama.cpp says when it loads them.

    Args:
        path: of its file.
        architecture: of its base.
        alpha: as the file writes it.
    """

    format = "gguf"

    def __init__(self, path: str, architecture: str, alpha: str) -> None:
        self.files = {path: GGUF_WEIGHTS}
        self._path, self._architecture, self._alpha = path, architecture, alpha

    @property
    def told(self) -> str:
        """Its alpha and its base's architecture."""
        return f"LoRA of alpha {shown(self._alpha)} for `{shown(self._architecture)}`, in llama.cpp's format"

    def check(self, weights: Mapping[str, Header]) -> None:
        """Compares the architectures."""
        for path, file in weights.items():
            found = read_gguf(file, path).architecture
            if found != self._architecture:
                raise InvalidInputError(
                    f"`{shown(self._path)}` does not fit its base model: it is of the architecture "
                    f"`{shown(self._architecture)}`, and the base model of `{shown(found)}`",
                    reason="adapter_mismatch",
                    field="base_model",
                )


def read_adapter(files: Mapping[str, Header], folder: str, weight_sets: Sequence[WeightSet]) -> AdapterFacts | None:
    """Reads an adapter; None where there is none.

    Args:
        files: relative path -> where the bytes are; whole weights are not among them.
        folder: that the transformer is loaded from; empty for the root.
        weight_sets: that are in the files.

    Raises:
        InvalidInputError: its files are broken, or do not go together.
        PreconditionError: it is of a kind that is not applied (`unsupported_adapter`).
    """
    if any(found.facts.metadata.get(TYPE_KEY) == "adapter" for found in weight_sets):
        return _read_gguf_adapter(weight_sets)
    config_file, weights_file = (str(PurePosixPath(folder) / name) for name in (CONFIG, WEIGHTS))
    if config_file not in files or weights_file not in files:
        return None
    config = read_config(read_object(files[config_file], config_file))
    shapes = read_shapes(files[weights_file], weights_file)
    names = {config_file: CONFIG, weights_file: WEIGHTS}
    return PeftAdapter(config, names, shapes, read_tensors(shapes, config))


def _read_gguf_adapter(weight_sets: Sequence[WeightSet]) -> GgufAdapter:
    paths = [path for found in weight_sets for path in found.main_files]
    if len(paths) > 1:
        raise _unsupported(f"an adapter in llama.cpp's format stands beside other weights: {_listed(paths)}")
    facts = weight_sets[0].facts
    kind = facts.metadata.get(f"{ADAPTER_KEYS}type", "")
    if kind != "lora":
        raise _unsupported(f"`{shown(paths[0])}` has the `adapter.type` `{shown(kind)}`, and `lora` alone is applied")
    known = {f"{ADAPTER_KEYS}type", _ALPHA}
    others = sorted(key for key in facts.metadata if key.startswith(ADAPTER_KEYS) and key not in known)
    if others:
        raise _unsupported(f"`{shown(paths[0])}` sets `{shown(others[0])}`, which is not applied")
    return GgufAdapter(paths[0], facts.architecture, facts.metadata.get(_ALPHA, "0"))


_ALPHA = f"{ADAPTER_KEYS}lora.alpha"


def _listed(paths: Collection[str]) -> str:
    return ", ".join(f"`{shown(path)}`" for path in list(paths)[:_MOST_NAMES])


def _unsupported(problem: str) -> PreconditionError:
    return PreconditionError(f"{problem}; import one adapter by itself", reason="unsupported_adapter")
