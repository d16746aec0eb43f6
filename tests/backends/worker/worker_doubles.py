"""Backends that fail in ways of their own; workers under test find them by `worker_doubles:NAME`.

They answer like EchoBackend, and certain words of the tests' vocabulary make them fail.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import (
    Arrays,
    FinishReason,
    GenerationRequest,
    LoadOptions,
    ModelFacts,
    TensorModel,
    TensorSpec,
    TokenDelta,
)
from panope_backends.errors import InternalError, InvalidInputError
from panope_backends.testing import EchoBackend, EchoTokenBackend, EchoTokenModel
from panope_backends.testing.doubles import EchoModel

WORDS = ("boom", "nan", "crowd", "picky", "stop")


class FussyModel(EchoModel):
    """`boom` raises, `nan` makes a vector that is not finite, `crowd` needs a small batch, `picky` is refused."""

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        ids = arrays["input_ids"]
        words = self.config["words"]
        if (ids == words["boom"]).any():
            raise RuntimeError("a text of the engine that no caller may see")
        if (ids == words["crowd"]).any() and len(ids) > 2:
            raise MemoryError("out of memory")
        if (ids == words["picky"]).any():
            raise InvalidInputError("the engine refuses this input", field="texts")
        answer = super().run(arrays, outputs)
        answer["last_hidden_state"][(ids == words["nan"]).any(axis=1)] = np.nan
        return answer


class FussyBackend(EchoBackend):
    name = "fussy"
    model = FussyModel


class TableModel(EchoModel):
    """Has a table of `vocab_size` rows and one of 60 positions, and dies of what is past them, as native code may."""

    max_tokens = 60

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.index_limits = {"input_ids": config["vocab_size"]}

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        ids = arrays["input_ids"]
        if ids.max() >= self.index_limits["input_ids"] or ids.shape[1] > self.max_tokens:
            os.abort()
        return super().run(arrays, outputs)


class TableBackend(EchoBackend):
    name = "table"
    model = TableModel


class GreedyModel(EchoModel):
    """At the word `boom` it asks for more memory than there is."""

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        if (arrays["input_ids"] == self.config["words"]["boom"]).any():
            np.ones(1 << 45)
        return super().run(arrays, outputs)


class GreedyBackend(EchoBackend):
    name = "greedy"
    model = GreedyModel


class GateModel(EchoModel):
    """At the word `stop` it writes a line to one pipe and waits for a line from another."""

    gates: Path

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        if (arrays["input_ids"] == self.config["words"]["stop"]).any():
            (self.gates / "stopped").write_text("\n")
            (self.gates / "go").read_text()
        return super().run(arrays, outputs)


class GateBackend(EchoBackend):
    """Its pipes lie in the cache folder."""

    name = "gate"

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> TensorModel:
        loaded = GateModel(model.config)
        assert options.cache_folder is not None
        loaded.gates = options.cache_folder
        return loaded


class SlowLoadBackend(EchoBackend):
    """Loading never ends; it tells of its start as GateModel does."""

    name = "slow-load"

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> TensorModel:
        assert options.cache_folder is not None
        (options.cache_folder / "stopped").write_text("\n")
        (options.cache_folder / "go").read_text()
        raise AssertionError("the gate was opened")


class UnrulyModel(EchoModel):
    """Ends its own thread, as no model may, once it is past its trial."""

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        if (arrays["input_ids"] == self.config["words"]["boom"]).any():
            raise SystemExit(0)
        return super().run(arrays, outputs)


class UnrulyBackend(EchoBackend):
    name = "unruly"
    model = UnrulyModel


class HoldingBackend(EchoBackend):
    """Holds memory of its device's own, of which the third question is too many."""

    asked = 0

    def device_memory_bytes(self, device: str) -> int | None:
        self.asked += 1
        if self.asked > 2:
            raise RuntimeError("the driver is gone")
        return self.asked * 1_000_000


class NeedyBackend(EchoBackend):
    name = "needy"

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> TensorModel:
        raise ModuleNotFoundError("No module named 'engine'")


class ClumsyBackend(EchoBackend):
    name = "clumsy"

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> TensorModel:
        raise RuntimeError(f"a text of the engine about {folder}")


class BrokenModel(EchoModel):
    """Never gives a finite value."""

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        return {"last_hidden_state": np.full_like(super().run(arrays)["last_hidden_state"], np.inf)}


class BrokenBackend(EchoBackend):
    name = "broken"
    model = BrokenModel


class SumModel(TensorModel):
    """A model that is no encoder: a 2 × n matrix of float32 to its sum and its shape."""

    precision = "fp32"
    inputs = (TensorSpec("matrix", "float32", (2, -1)), TensorSpec("scale", "float32", (1,)))
    outputs = (TensorSpec("sum", "float32", (1,)), TensorSpec("shape", "int64", (2,)))

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        matrix = arrays["matrix"]
        found = {
            "sum": (matrix.sum(dtype=np.float32) * arrays["scale"]).astype(np.float32),
            "shape": np.array(matrix.shape, dtype=np.int64),
        }
        return {name: found[name] for name in outputs or found}


class SumBackend(EchoBackend):
    name = "sum"

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> TensorModel:
        return SumModel()


class WitnessBackend(EchoBackend):
    """OpenVINO itself; at the end it writes the names of the modules that its process has imported."""

    name = "witness"

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> TensorModel:
        from panope_backends.engines.openvino.backend import OpenVinoBackend

        loaded = OpenVinoBackend().load(model, folder, device, options)
        assert options.cache_folder is not None
        record = options.cache_folder / "modules.txt"
        close = loaded.close

        def close_and_tell() -> None:
            record.write_text("\n".join(sorted(sys.modules)))
            close()

        loaded.close = close_and_tell  # type: ignore[method-assign] # the point of a double
        return loaded


class StuckTokenModel(EchoTokenModel):
    """Never ends a step once it has the prompt `stuck`."""

    is_stuck = False

    def submit(self, request: GenerationRequest) -> None:
        super().submit(request)
        self.is_stuck = request.prompt == "stuck"

    def deltas(self, timeout_seconds: float) -> Sequence[TokenDelta]:
        while self.is_stuck:
            time.sleep(0.01)
        return super().deltas(timeout_seconds)


class StuckTokenBackend(EchoTokenBackend):
    """Loads the model that gets stuck."""

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> StuckTokenModel:
        return StuckTokenModel(model.config)


class FailingTokenModel(EchoTokenModel):
    """Fails the prompt `fail` in its first step."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.failing: set[int] = set()

    def submit(self, request: GenerationRequest) -> None:
        if request.prompt == "fail":
            self.failing.add(request.id)
        super().submit(request)

    def deltas(self, timeout_seconds: float) -> Sequence[TokenDelta]:
        found = super().deltas(timeout_seconds)
        for request_id in [delta.request_id for delta in found if delta.request_id in self.failing]:
            self.cancel(request_id)
        return [self._failed(delta) for delta in found]

    def _failed(self, delta: TokenDelta) -> TokenDelta:
        if delta.request_id not in self.failing:
            return delta
        error = InternalError("the sequence could not go on")
        return replace(delta, finish_reason=FinishReason.ERROR, error=error)


class FailingTokenBackend(EchoTokenBackend):
    """Loads the model that fails one prompt."""

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> FailingTokenModel:
        return FailingTokenModel(model.config)
