"""Loads models of transformers that tell the letters of speech frame by frame (CTC), and runs them in PyTorch.

Input, of waveforms of one length:

    input_values   float32  batch × samples, as the model's extractor makes them

Output:

    logits         float32  batch × frames × vocabulary
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import Arrays, Level, ModelFacts, Support, TensorModel, TensorSpec
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.encoder_decoder.facts import TRANSCRIBE, is_transcriber
from panope_backends.engines.torch.out_of_memory import run_within_memory
from panope_backends.engines.torch.pretrained import files_refusal, load_pretrained, unknown_type
from panope_backends.errors import InvalidInputError
from panope_backends.model_facts.audio_models import WAVEFORMS, frame_grid

AUTO_CLASS = "AutoModelForCTC"
INPUT, OUTPUT = "input_values", "logits"


def is_ctc(model: ModelFacts) -> bool:
    """Whether a model transcribes speech frame by frame."""
    return model.task == TRANSCRIBE and not is_transcriber(model)


def ctc_support(model: ModelFacts) -> Support:
    """Says from facts alone whether `load_ctc` can work."""
    kind = model.config.get("model_type")
    if kind not in WAVEFORMS:
        known = ", ".join(sorted(WAVEFORMS))
        return Support(Level.NONE, f"models of the type {str(kind)[:64]!r} are not run on speech; those are: {known}")
    if model.config.get("add_adapter"):
        return Support(Level.NONE, "the model has an adapter of convolutions (`add_adapter`), which changes its times")
    if refusal := files_refusal(model, AUTO_CLASS):
        return Support(Level.NONE, refusal, is_final=bool(unknown_type(model)))
    return Support(Level.FULL, "transformers runs the model")


def load_ctc(model: ModelFacts, folder: Path, precision: str, threads: int, device: TorchDevice = HOST) -> TensorModel:
    """Loads safetensors; `threads` 0 keeps torch's own number.

    Raises:
        PreconditionError: the model cannot be loaded.
    """
    import torch

    if threads:
        torch.set_num_threads(threads)  # for the whole process, which holds this one model
    return CtcModel(device.place(load_pretrained(model, folder, precision, AUTO_CLASS)), precision, device)


class CtcModel(TensorModel):
    """A model of transformers with a CTC head.

    Args:
        module: the model.
        precision: that it computes in.
        device: where its weights lie.
    """

    def __init__(self, module: Any, precision: str, device: TorchDevice = HOST) -> None:
        self.precision = precision
        self.inputs = [TensorSpec(INPUT, "float32", (-1, -1))]
        self.outputs = [TensorSpec(OUTPUT, "float32", (-1, -1, int(module.config.vocab_size)))]
        self._module, self._device = module, device
        self._least = frame_grid(module.config).least

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        """Runs once.

        Raises:
            InvalidInputError: the waveforms are shorter than one frame.
            OverloadedError: the memory of the device does not suffice.
        """
        del outputs  # there is one
        values = arrays[INPUT]
        if values.shape[1] < self._least:
            raise InvalidInputError.at(
                INPUT,
                "{field} has {count} samples; the model's first frame has {least}",
                count=values.shape[1],
                least=self._least,
            )
        return run_within_memory(self._run, arrays, self._device)

    def _run(self, arrays: Arrays) -> dict[str, np.ndarray[Any, Any]]:
        import torch

        values = arrays[INPUT]
        with torch.inference_mode():
            given = self._module(input_values=self._device.tensor(np.array(values), self._module.dtype))
            return {OUTPUT: self._device.array(given.logits)}

    def close(self) -> None:
        """Frees the weights."""
        del self._module
