"""Small backends: an example to start from, and ones that misbehave on purpose for tests of what runs them.

They are selected by name as `panope_backends.testing:EchoBackend` and take any folder; no weights are read. What they
do is set in the model's config.json, because a worker gets nothing else of its caller.

    EchoBackend     answers at once, from the token ids alone
    SlowBackend     answers after `slow_seconds` (0.2), or when the file `slow_until` exists
    CrashBackend    kills its process when `crash_token_id` occurs (5823, BERT's "crash")
    BlendingBackend answers by the batch too: its mean when `blend` is `batch`, its width when it is `padding`
    HangBackend     never answers when `hang_token_id` occurs (6865, BERT's "hang")
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import API_VERSION, Arrays, Backend, LoadOptions, ModelFacts, TensorModel, TensorSpec
from panope_backends.engines.precision import choose_precision

_POLL_SECONDS = 0.005


class EchoModel(TensorModel):
    """Hidden states from token ids alone: token `t` has `sin(t * (d + 1))` at dimension `d`, whatever is beside it."""

    precision = "fp32"

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self._frequencies = np.arange(1, config.get("hidden_size", 8) + 1, dtype=np.float32)
        self.inputs = [TensorSpec(name, "int64", (-1, -1)) for name in ("input_ids", "attention_mask")]
        self.outputs = [TensorSpec("last_hidden_state", "float32", (-1, -1, len(self._frequencies)))]

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        """Runs once; there is one output."""
        del outputs
        return {"last_hidden_state": np.sin(arrays["input_ids"][..., None].astype(np.float32) * self._frequencies)}


class EchoBackend(Backend):
    """The least that a backend is: it loads a model that answers at once."""

    name = "echo"
    api_version = API_VERSION
    model: type[EchoModel] = EchoModel

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> TensorModel:
        """Takes any folder."""
        del folder
        choose_precision(options.precision, ("fp32",), f"{self.name} on {device}")
        return self.model(model.config)


class _BlendingModel(EchoModel):
    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        answer = super().run(arrays, outputs)
        hidden = answer["last_hidden_state"]
        hidden[..., 0] += hidden.mean() if self.config["blend"] == "batch" else hidden.shape[1]
        return answer


class BlendingBackend(EchoBackend):
    """Each answer depends on the texts beside it, or on the padding, as no answer should."""

    name = "blending"
    model = _BlendingModel


class _SlowModel(EchoModel):
    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        if gate := self.config.get("slow_until"):
            while not Path(gate).exists():
                time.sleep(_POLL_SECONDS)
        else:
            time.sleep(self.config.get("slow_seconds", 0.2))
        return super().run(arrays, outputs)


class SlowBackend(EchoBackend):
    """Echo that takes a while."""

    name = "slow"
    model = _SlowModel


class _CrashModel(EchoModel):
    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        if (arrays["input_ids"] == self.config.get("crash_token_id", 5823)).any():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run(arrays, outputs)


class CrashBackend(EchoBackend):
    """Echo that dies of one token, as an engine dies of a fault in native code."""

    name = "crash"
    model = _CrashModel


class _HangModel(EchoModel):
    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        if (arrays["input_ids"] == self.config.get("hang_token_id", 6865)).any():
            threading.Event().wait()
        return super().run(arrays, outputs)


class HangBackend(EchoBackend):
    """Echo that never returns from one token."""

    name = "hang"
    model = _HangModel


class FragileBackend(EchoBackend):
    """Dies while it loads, as an engine dies of a model that its native code was not made for."""

    name = "fragile"

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> TensorModel:
        """Ends the process."""
        os.kill(os.getpid(), signal.SIGSEGV)
        return super().load(model, folder, device, options)
