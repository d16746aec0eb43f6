"""Engines, their devices, and what they are told of a model to load it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from panope_backends.api.loaded_model import LoadedModel

API_VERSION = 1
"""The version of this contract; raised when a change to it breaks existing backends."""

OLDEST_API_VERSION = 1
"""The oldest version whose backends still run."""


class Level(StrEnum):
    """How well a backend runs a model on a device."""

    FULL = "full"
    PARTIAL = "partial"
    NONE = "none"


@dataclass(frozen=True)
class Support:
    """Whether a backend runs a model on a device, and why or why not; the reason is shown to people.

    Attributes:
        is_final: of NONE, whether no conversion by the backend helps either, as for a class that no library has.
        divisor: the number that the number of devices must divide which the model is divided over; 1 where it is not.
        undivided: why it is not; empty where it is, or nobody tells.
    """

    level: Level
    reason: str
    is_final: bool = False
    divisor: int = 1
    undivided: str = ""


@dataclass(frozen=True)
class Device:
    """A device as one backend sees it.

    Attributes:
        backend: the backend's name.
        name: the backend's own name for the device, such as `CPU` or `cuda:0`.
        description: the maker's name for it.
        memory_bytes: memory that models can use; 0 when unknown.
        precisions: computed natively, fastest first, such as `("bf16", "fp32")`.
        available: whether models can be loaded there now.
        reason: why not, or what to know.
        engine_version: of the libraries that compute; what was measured with others is not believed.
        driver_version: of the driver that they use; empty where there is none, or nobody tells.
        advice: what to install or to change so that the device becomes available; empty where nothing is known to help.
        is_emulated: whether a program stands in for the hardware: its answers are right, its speed tells nothing, so
            that it is chosen only where nothing else runs the model, or by name.
        pci_address: by which the system knows the hardware, such as `0000:01:00.0`; how busy it is, is read there.
    """

    backend: str
    name: str
    description: str = ""
    memory_bytes: int = 0
    precisions: tuple[str, ...] = ("fp32",)
    available: bool = True
    reason: str = ""
    engine_version: str = ""
    driver_version: str = ""
    advice: str = ""
    is_emulated: bool = False
    pci_address: str = ""


@dataclass(frozen=True)
class ModelFacts:
    """What the registry knows of a model, without its weights.

    Attributes:
        name: `vendor/name`.
        format: of the files at hand: `safetensors`, `openvino`, `onnx`, `gguf`, `pytorch` or `python`.
        task: such as `embed`; empty when unknown.
        architecture: the class that the checkpoint names, such as `BertModel`; empty when unknown.
        config: the parsed config.json; empty when there is none.
        grants: what an admin lets this model do: `pickles` (weights in PyTorch's own files, opened as data alone) and
            `remote_code` (Python files of its folder may run), and `network` (they may use it).
        has_adapter: whether the folder holds a LoRA adapter, as `panope_backends.lora` describes it, which the weights
            are to be run with.
        head: what the model's own files have computed from its outputs, for the task `embed` alone: empty for token
            vectors, or `splade-` with `max` or `sum` for how values of the vocabulary are pooled over tokens, and with
            `-log` where the logarithm is taken twice, or `layers-` and what the embeddings and each layer after them
            count in the vectors of tokens, between commas. Of a model that gives images and texts vectors of one space
            it is `texts` for the part that reads texts, which is a model of its own to engines.
    """

    name: str
    format: str
    task: str = ""
    architecture: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    grants: tuple[str, ...] = ()
    has_adapter: bool = False
    head: str = ""


@dataclass(frozen=True)
class LoadOptions:
    """How to load.

    Attributes:
        precision: to compute in, one of the device's; empty lets the backend choose.
        cache_folder: where compiled forms may be kept, private to this server; None for nowhere.
        threads: for CPU devices, the threads to compute with; 0 for one a core.
        cache_precision: of the cache of keys and values, such as `u8`; empty lets the backend choose. Of models that
            generate, as all that follows.
        cache_bytes: memory of a TokenModel's own cache; 0 lets the backend choose. A StepModel's comes by `allocate`.
        slots: the most sequences that a TokenModel generates at once; 0 lets the backend choose. It may have fewer.
        prefix_cache: whether a TokenModel may keep what it computed of a prompt for later ones that begin alike.
        max_adapters: that an AdaptableStepModel is to take at a time; 0 for none.
        max_adapter_rank: of each of them.
        backend_settings: the server's settings of the backend, as it reads them; of Panope's own `remote` alone. They
            may hold a key, so they are never logged.
        peer_devices: that the model is divided over beside the one that it is loaded onto, as `Support.divisor` allows;
            empty for a whole model. A device may be named more than once where it is the machine's processor.
    """

    precision: str = ""
    cache_folder: Path | None = None
    threads: int = 0
    cache_precision: str = ""
    cache_bytes: int = 0
    slots: int = 0
    prefix_cache: bool = True
    max_adapters: int = 0
    max_adapter_rank: int = 64
    backend_settings: bytes = field(default=b"", repr=False)
    peer_devices: tuple[str, ...] = ()


@dataclass(frozen=True)
class PeerMemory:
    """What a process beside the worker's holds.

    Attributes:
        resident_bytes: of the machine's memory.
        device_bytes: of its device's own; 0 where it uses the machine's, or nobody tells.
    """

    resident_bytes: int
    device_bytes: int = 0


class Backend(ABC):
    """An engine that loads models onto devices."""

    name: ClassVar[str]

    api_version: ClassVar[int]
    """The API_VERSION that the backend was written for, as a number; Panope refuses those that it cannot run."""

    applies_adapters: ClassVar[bool] = False
    """Whether `load` and `convert` apply the adapter of a model that has one (`ModelFacts.has_adapter`)."""

    @abstractmethod
    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> LoadedModel:
        """Loads a model as one of the kinds; the one method a backend must have.

        Args:
            model: what is known of it; `supports` has said FULL or PARTIAL.
            folder: the variant's files, verified, read-only: weights and configuration side by side.
            device: the name of one of `devices()`.
            options: how to load.
        """

    def devices(self) -> Sequence[Device]:
        """The devices of this machine, best first, found without loading a model; none for one that only converts.

        Default: one CPU.
        """
        return (Device(backend=self.name, name="CPU"),)

    def device_memory_bytes(self, device: str) -> int | None:
        """What this process holds of a device's own memory, as its driver or the engine's allocator tells.

        Asked each second while a model is loaded, from another thread than the one that runs it.

        Returns:
            None, the default, where models lie in the machine's memory, or nobody tells.
        """
        del device
        return None

    def peer_memory(self) -> Sequence[PeerMemory]:
        """What each of the processes holds that run the other parts of a model which `load` has divided.

        Asked as `device_memory_bytes` is.

        Returns:
            One for each of `LoadOptions.peer_devices`, in their order; none, the default, of a model in one process.
        """
        return ()

    def supports(self, model: ModelFacts, device: Device) -> Support:
        """Says from facts alone whether `load` would work. Default: FULL for every model."""
        return Support(Level.FULL, f"{self.name} accepts every model")
