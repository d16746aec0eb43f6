"""Runs VITS models that `vits_convert` has written: two graphs, and between them the lengths and the noise.

Inputs and output are those of `panope_backends.engines.torch.audio.vits`; a seed draws other noise here than there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import Arrays, TensorModel, TensorSpec
from panope_backends.errors import PreconditionError

TEXT_FILE = "openvino_model.xml"
"""The graph that reads characters."""

SOUND_FILE = "openvino_sound_model.xml"
"""The graph that makes the waveform, beside it."""

TEXT_OUTPUTS = ("log_duration", "means", "log_variances")
SOUND_OUTPUTS = ("waveform",)


VITS = "vits"
"""The type of models in transformers."""


def load_vits(load_graph: Callable[[Path], TensorModel], folder: Path, config: Mapping[str, Any]) -> TensorModel:
    """Loads both graphs of a folder.

    Args:
        load_graph: loads a file.
        folder: of the variant.
        config: of the model.

    Raises:
        PreconditionError: a file is missing.
    """
    if missing := next((name for name in (TEXT_FILE, SOUND_FILE) if not (folder / name).is_file()), ""):
        raise PreconditionError(f"the model has no file `{missing}`", reason="missing_file")
    return OpenVinoVits(load_graph(folder / TEXT_FILE), load_graph(folder / SOUND_FILE), config)


class OpenVinoVits(TensorModel):
    """A VITS; one text a run.

    Args:
        text: the graph that reads characters.
        sound: the graph that makes the waveform.
        config: of the model.
    """

    def __init__(self, text: TensorModel, sound: TensorModel, config: Mapping[str, Any]) -> None:
        self.precision = text.precision
        self.inputs = [
            TensorSpec("input_ids", "int64", (1, -1)),
            TensorSpec("speaker", "int64", (1,)),
            TensorSpec("speed", "float32", (1,)),
            TensorSpec("seed", "int64", (1,)),
        ]
        self.outputs = [TensorSpec("waveform", "float32", (1, -1))]
        self._text, self._sound = text, sound
        self._takes = {id(model): {spec.name for spec in model.inputs} for model in (text, sound)}
        # The defaults of VitsConfig.
        self._rate = float(config.get("speaking_rate", 1.0))
        self._noise = float(config.get("noise_scale", 0.667))
        self._noise_of_lengths = float(config.get("noise_scale_duration", 0.8))

    def run(self, arrays: Arrays, outputs: Sequence[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
        """Runs once; equal inputs have one answer."""
        del outputs  # there is one
        random = np.random.default_rng(int(arrays["seed"][0]))
        ids, speaker = np.asarray(arrays["input_ids"]), np.asarray(arrays["speaker"])
        noise = random.standard_normal((1, 2, ids.shape[1])).astype(np.float32) * self._noise_of_lengths
        told = self._given(self._text, {"input_ids": ids, "speaker": speaker, "noise": noise})
        lengths = np.ceil(np.exp(told["log_duration"][0]) / (self._rate * float(arrays["speed"][0]))).astype(np.int64)
        means, deviations = (
            np.repeat(array[0], lengths, axis=0).T for array in (told["means"], np.exp(told["log_variances"]))
        )
        if not means.shape[1]:  # as the library has it
            means, deviations = np.zeros((len(means), 1), np.float32), np.ones((len(means), 1), np.float32)
        drawn = random.standard_normal(means.shape).astype(np.float32) * self._noise
        latents = (means + drawn * deviations)[None].astype(np.float32)
        return {"waveform": self._given(self._sound, {"latents": latents, "speaker": speaker})["waveform"]}

    def _given(self, model: TensorModel, arrays: Arrays) -> Mapping[str, np.ndarray[Any, Any]]:
        """What a graph gives; one of a single voice takes no speaker."""
        names = self._takes[id(model)]
        return model.run({name: array for name, array in arrays.items() if name in names})

    def close(self) -> None:
        """Frees both graphs."""
        self._text.close()
        self._sound.close()
