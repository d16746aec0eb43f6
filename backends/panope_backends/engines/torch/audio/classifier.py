"""Loads models of transformers that say which labels fit audio, and runs them in PyTorch.

Inputs, as the model's extractor makes them:

    input_values     float32  batch × samples, or of spectra batch × frames × bands
    input_features   float32  batch × bands × frames (Whisper), or batch × frames × bands (Wav2Vec2-BERT)
    attention_mask   int64    batch × frames, for Wav2Vec2-BERT, whose extractor pads

Output:

    logits           float32  batch × labels
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import Arrays, Level, ModelFacts, Support, TensorModel, TensorSpec
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.out_of_memory import run_within_memory
from panope_backends.engines.torch.pretrained import files_refusal, load_pretrained, unknown_type
from panope_backends.errors import InvalidInputError
from panope_backends.model_facts.audio_models import MASK, AudioInput, audio_input, classifies_audio, least_samples

AUTO_CLASS = "AutoModelForAudioClassification"
CLASSIFY = "classify"
OUTPUT = "logits"


def is_audio_classifier(model: ModelFacts) -> bool:
    """Whether a model says which labels fit audio."""
    return model.task == CLASSIFY and classifies_audio(model.config)


def audio_classifier_support(model: ModelFacts) -> Support:
    """Says from facts alone whether `load_audio_classifier` can work."""
    if refusal := files_refusal(model, AUTO_CLASS):
        return Support(Level.NONE, refusal, is_final=bool(unknown_type(model)))
    return Support(Level.FULL, "transformers runs the model with its head")


def load_audio_classifier(
    model: ModelFacts, folder: Path, precision: str, threads: int, device: TorchDevice = HOST
) -> TensorModel:
    """Loads safetensors; `threads` 0 keeps torch's own number.

    Raises:
        PreconditionError: the model cannot be loaded.
    """
    import torch

    if threads:
        torch.set_num_threads(threads)  # for the whole process, which holds this one model
    module = load_pretrained(model, folder, precision, AUTO_CLASS)
    return AudioClassifier(device.place(module), audio_input(model.config), precision, device)


class AudioClassifier(TensorModel):
    """A model of transformers that classifies audio.

    Args:
        module: the model.
        takes: what it reads.
        precision: that it computes in.
        device: where its weights lie.
    """

    def __init__(self, module: Any, takes: AudioInput, precision: str, device: TorchDevice = HOST) -> None:
        self.precision = precision
        self.inputs = [TensorSpec(takes.name, "float32", (-1,) * takes.axes)]
        if takes.has_mask:
            self.inputs.append(TensorSpec(MASK, "int64", (-1, -1)))
        self.outputs = [TensorSpec(OUTPUT, "float32", (-1, int(module.config.num_labels)))]
        self._module, self._device, self._name = module, device, takes.name
        self._least = least_samples(module.config) if takes.is_waveform else 1

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        """Runs once.

        Raises:
            InvalidInputError: the waveforms are shorter than one frame.
            OverloadedError: the memory of the device does not suffice.
        """
        del outputs  # there is one
        count = arrays[self._name].shape[1]
        if count < self._least:
            raise InvalidInputError.at(
                self._name,
                "{field} has {count} samples; the model's first frame has {least}",
                count=count,
                least=self._least,
            )
        return run_within_memory(self._run, arrays, self._device)

    def _run(self, arrays: Arrays) -> dict[str, np.ndarray[Any, Any]]:
        import torch

        with torch.inference_mode():
            tensors = {spec.name: self._device.tensor(np.array(arrays[spec.name])) for spec in self.inputs}
            tensors[self._name] = tensors[self._name].to(self._module.dtype)
            return {OUTPUT: self._device.array(self._module(**tensors).logits)}

    def close(self) -> None:
        """Frees the weights."""
        del self._module
