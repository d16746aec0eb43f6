"""Loads VITS models of transformers, which turn characters into a waveform, and runs them in PyTorch.

Inputs, of one text:

    input_ids   int64    1 × tokens
    speaker     int64    1: which of the model's voices; 0 for a model of one
    speed       float32  1: how fast it speaks, 1 for as it was trained
    seed        int64    1: of the noise that it draws length and tone from

Output:

    waveform    float32  1 × samples, about -1 to 1
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import Arrays, ModelFacts, TensorModel, TensorSpec
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.out_of_memory import refusing
from panope_backends.engines.torch.pretrained import load_pretrained

AUTO_CLASS = "AutoModelForTextToWaveform"


def load_vits(model: ModelFacts, folder: Path, precision: str, threads: int, device: TorchDevice = HOST) -> TensorModel:
    """Loads safetensors; `threads` 0 keeps torch's own number.

    Raises:
        PreconditionError: the model cannot be loaded.
    """
    import torch

    if threads:
        torch.set_num_threads(threads)  # for the whole process, which holds this one model
    return VitsModel(device.place(load_pretrained(model, folder, precision, AUTO_CLASS)), precision, device)


class VitsModel(TensorModel):
    """A model of transformers' VITS; one text a run, for noise is drawn for all texts of a run together.

    Args:
        module: the model.
        precision: that it computes in.
        device: where its weights lie.
    """

    def __init__(self, module: Any, precision: str, device: TorchDevice = HOST) -> None:
        self.precision = precision
        self.inputs = [
            TensorSpec("input_ids", "int64", (1, -1)),
            TensorSpec("speaker", "int64", (1,)),
            TensorSpec("speed", "float32", (1,)),
            TensorSpec("seed", "int64", (1,)),
        ]
        self.outputs = [TensorSpec("waveform", "float32", (1, -1))]
        self._module, self._device = module, device
        self._rate = float(module.speaking_rate)
        self._has_voices = int(module.config.num_speakers) > 1

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        """Runs once; equal inputs have one answer on devices of one kind, whose random numbers are their own."""
        import torch

        del outputs  # there is one
        ids = self._device.tensor(np.array(arrays["input_ids"]))
        self._module.speaking_rate = self._rate * float(arrays["speed"][0])
        voice = {"speaker_id": int(arrays["speaker"][0])} if self._has_voices else {}
        with refusing(self._device), torch.inference_mode(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(arrays["seed"][0]))
            given = self._module(input_ids=ids, attention_mask=torch.ones_like(ids), **voice)
            return {"waveform": self._device.array(given.waveform)}

    def close(self) -> None:
        """Frees the weights."""
        del self._module
