"""Loads SpeechT5 of transformers, which turns characters into a spectrum, and its vocoder, and runs both in PyTorch.

Inputs, of one text:

    input_ids   int64    1 × tokens
    speaker     float32  1 × width: the vector that says whose voice it is
    seed        int64    1: of what its decoder leaves out at random, in each step

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
from panope_backends.errors import PreconditionError
from panope_backends.model_facts.audio_models import VOCODER

AUTO_CLASS = "AutoModelForTextToSpectrogram"
#: Of the only vocoder that SpeechT5 was published with, which no auto class knows.
_VOCODER_CLASS = "SpeechT5HifiGan"


def load_speecht5(
    model: ModelFacts, folder: Path, precision: str, threads: int, device: TorchDevice = HOST
) -> TensorModel:
    """Loads safetensors, those of the vocoder from the folder `vocoder`; `threads` 0 keeps torch's own number.

    Raises:
        PreconditionError: the model cannot be loaded, or has no vocoder.
    """
    import torch

    if threads:
        torch.set_num_threads(threads)  # for the whole process, which holds this one model
    if not (folder / VOCODER / "config.json").is_file():
        raise PreconditionError(
            f"the model has no vocoder: save a {_VOCODER_CLASS} into its folder `{VOCODER}`", reason="missing_file"
        )
    spectrum = load_pretrained(model, folder, precision, AUTO_CLASS)
    vocoder = load_pretrained(model, folder / VOCODER, precision, _VOCODER_CLASS)
    reads, writes = vocoder.config.model_in_dim, spectrum.config.num_mel_bins
    if reads != writes:
        raise PreconditionError(
            f"the vocoder reads {reads} bands of a spectrum, and the model writes {writes}", reason="unsupported_model"
        )
    return SpeechT5Model(device.place(spectrum), device.place(vocoder), precision, device)


class SpeechT5Model(TensorModel):
    """A model of transformers' SpeechT5; one text a run, for what is left out at random is drawn for all of a run.

    Args:
        spectrum: makes spectra of tokens.
        vocoder: makes waveforms of these.
        precision: that they compute in.
        device: where their weights lie.
    """

    def __init__(self, spectrum: Any, vocoder: Any, precision: str, device: TorchDevice = HOST) -> None:
        self.precision = precision
        self.inputs = [
            TensorSpec("input_ids", "int64", (1, -1)),
            TensorSpec("speaker", "float32", (1, int(spectrum.config.speaker_embedding_dim))),
            TensorSpec("seed", "int64", (1,)),
        ]
        self.outputs = [TensorSpec("waveform", "float32", (1, -1))]
        self._spectrum, self._vocoder, self._device = spectrum, vocoder, device

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        """Runs once; equal inputs have one answer on devices of one kind, whose random numbers are their own."""
        import torch

        del outputs  # there is one
        ids, speaker = (self._device.tensor(np.array(arrays[name])) for name in ("input_ids", "speaker"))
        with refusing(self._device), torch.inference_mode(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(arrays["seed"][0]))
            given = self._spectrum.generate_speech(ids, speaker, vocoder=self._vocoder)
            return {"waveform": self._device.array(given.reshape(1, -1))}

    def close(self) -> None:
        """Frees the weights."""
        del self._spectrum, self._vocoder
