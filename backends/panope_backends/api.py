"""The backend contract: what an engine implements so that Panope can run models on it.

A backend runs tensors; a task adapter (`panope_backends.tasks`) turns typed requests into tensors and back. A backend
therefore knows nothing of texts, requests or the network, and every task works on every backend.

Lifetimes. A `Backend` is created with no arguments, in a worker process and, to ask `devices()` and `supports()`, in a
short-lived probe process. A worker loads one model once and calls `TensorModel.close()` before it ends.

Threads. `load`, `run` and `close` are called from one thread at a time, not always the same one. `run` may use threads
of its own and must release the interpreter lock while it computes: a worker that says nothing for 30 seconds
(`workers.silence_timeout_seconds`), or whose `run` takes longer than 120 (`workers.hang_timeout_seconds`), is ended.

Ownership. Arrays given to `run` belong to the caller: read them only until `run` returns and never change them.
Returned arrays belong to the caller and must not change afterwards.

Errors. Raise `panope_backends.errors.InvalidInputError` for input at fault, `PreconditionError` for a model that cannot
run here. Any other exception is logged in full and reaches the caller as "internal error" without its text.

A third party registers its class under the entry-point group `panope.backends`; the entry point's name is the backend's
name. `panope_backends.testing.BackendContract` is the suite that every backend passes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np  # the registry uses these types too, and commands that look at models start without NumPy

API_VERSION = 1
"""Raised when a change to this module breaks existing backends."""

Arrays: TypeAlias = "Mapping[str, np.ndarray[Any, Any]]"
"""Named arrays, C-contiguous, little-endian."""


class Level(StrEnum):
    """How well a backend runs a model on a device."""

    FULL = "full"
    PARTIAL = "partial"
    NONE = "none"


@dataclass(frozen=True)
class Support:
    """Whether a backend runs a model on a device, and why or why not; the reason is shown to people."""

    level: Level
    reason: str


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
    """

    backend: str
    name: str
    description: str = ""
    memory_bytes: int = 0
    precisions: tuple[str, ...] = ("fp32",)
    available: bool = True
    reason: str = ""
    engine_version: str = ""


@dataclass(frozen=True)
class ModelFacts:
    """What the registry knows of a model, without its weights.

    Attributes:
        name: `vendor/name`.
        format: of the files at hand: `safetensors`, `openvino`, `onnx`, `gguf` or `pytorch`.
        task: such as `embed`; empty when unknown.
        architecture: the class that the checkpoint names, such as `BertModel`; empty when unknown.
        config: the parsed config.json; empty when there is none.
        grants: what an admin lets this model do: `pickles` (weights in PyTorch's own files, opened as data alone) and
            `remote_code` (Python files of its folder may run).
    """

    name: str
    format: str
    task: str = ""
    architecture: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    grants: tuple[str, ...] = ()


@dataclass(frozen=True)
class TensorSpec:
    """What a model takes or gives under one name.

    Attributes:
        shape: -1 where any length is accepted.
        axes: the names that the model's own file gives its axes, empty where it gives none; axes of one name have one
            length in a call. Empty when it names no axis.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    axes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadOptions:
    """How to load.

    Attributes:
        precision: to compute in, one of the device's; empty lets the backend choose.
        cache_folder: where compiled forms may be kept, private to this server; None for nowhere.
        threads: for CPU devices, the threads to compute with; 0 for one a core.
    """

    precision: str = ""
    cache_folder: Path | None = None
    threads: int = 0


class TensorModel(ABC):
    """A loaded model that maps named arrays to named arrays."""

    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    precision: str
    """What it computes in, such as `fp32`."""

    index_limits: Mapping[str, int] = {}
    """By the names of inputs whose values are looked up in a table of the weights: how many rows it has.

    Panope refuses values outside 0 and that before `run`. Inputs that are left out are the engine's own business.
    """

    max_tokens: int = 0
    """The most tokens of one text that the weights have positions for; 0 where no table sets a limit, or none is known.
    """

    @abstractmethod
    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        """Runs once.

        Args:
            arrays: one array for each input, of the input's dtype and shape; the caller has checked both.
            outputs: the names wanted; empty for all.

        Returns:
            One array for each wanted output.
        """

    def close(self) -> None:  # noqa: B027 - optional: most engines free their memory with the object
        """Frees the device's memory; the model is not used again."""


class Backend(ABC):
    """An engine that loads models onto devices."""

    name: ClassVar[str]

    @abstractmethod
    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> TensorModel:
        """Loads a model; the one method a backend must have.

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

    def supports(self, model: ModelFacts, device: Device) -> Support:
        """Says from facts alone whether `load` would work. Default: FULL for every model."""
        return Support(Level.FULL, f"{self.name} accepts every model")


@dataclass(frozen=True)
class Conversion:
    """One thing that a converter makes of a model.

    Attributes:
        source_formats: that it reads, best first.
        format: that it writes, such as `openvino`.
        precision: of the weights that it writes, such as `fp32` or `int8`.
        engine_version: of all that decides on the result; a new one converts again.
        source_precisions: of the weights that it reads; empty for any.
        automatic: whether it is done unasked, for a model that this backend cannot run otherwise; its result computes
            the same.
        reason: why it cannot be done on this machine, such as a missing package; empty when it can.
    """

    source_formats: tuple[str, ...]
    format: str
    precision: str
    engine_version: str
    source_precisions: tuple[str, ...] = ()
    automatic: bool = False
    reason: str = ""

    def reads(self, format: str, precision: str = "") -> bool:  # noqa: A002 - the word for it
        """Whether it takes weights of that format and precision; an unknown precision is taken."""
        return format in self.source_formats and (
            not precision or precision in (self.source_precisions or (precision,))
        )


@runtime_checkable
class Converter(Protocol):
    """A second interface, for a backend that makes models of other formats or precisions than they came in.

    The server runs `convert` once, in a process of its own, and keeps the result in the store. A backend without
    devices may convert too. `panope_backends.testing.ConverterContract` is the suite that every converter passes.
    """

    def conversions(self) -> Sequence[Conversion]:
        """All that it makes, one for each format and precision; those that cannot be done here with the reason.

        Nothing heavy is imported to answer.
        """

    def convert(self, model: ModelFacts, conversion: Conversion, folder: Path, out: Path) -> None:
        """Writes the converted model into the empty folder `out`, which it need not share with `folder`.

        Configuration and tokenizer files are copied by the caller; only what replaces the weights is written.

        Args:
            model: what is known of it; its format is one that the conversion reads.
            conversion: one of `conversions()`, without a reason against it.
            folder: the model's files, verified, read-only.
            out: the empty folder.

        Raises:
            PreconditionError: this model cannot be converted, or the result computes something else.
        """
