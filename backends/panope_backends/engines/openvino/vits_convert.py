"""Turns VITS models into OpenVINO's format, as two graphs, and proves that both still compute the same.

`openvino_model.xml` reads characters: `input_ids` int64 `[1, tokens]`, `speaker` int64 `[1]` of a model of several
voices, and where lengths are drawn `noise` float32 `[1, 2, tokens]`. It gives `log_duration` `[1, tokens]`, `means` and
`log_variances` `[1, tokens, width]`. `openvino_sound_model.xml` makes the `waveform`, of `latents` float32
`[1, width, frames]` and `speaker`. What is between, the lengths and the noise, is done beside them, so that a seed
reaches it.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from panope_backends.api import ModelFacts
from panope_backends.engines.openvino.compress import compress_graph
from panope_backends.engines.openvino.convert import kept_if_right, save
from panope_backends.engines.openvino.exact import exact_configuration
from panope_backends.engines.openvino.runtime import import_converter
from panope_backends.engines.openvino.vision.convert import prove_values
from panope_backends.engines.openvino.vits import SOUND_FILE, SOUND_OUTPUTS, TEXT_FILE, TEXT_OUTPUTS
from panope_backends.engines.refusals import refused_as
from panope_backends.engines.torch.audio.vits import AUTO_CLASS
from panope_backends.engines.torch.pretrained import load_pretrained
from panope_backends.errors import PreconditionError

Arrays = Mapping[str, np.ndarray[Any, Any]]

#: What transformers calls the method that takes vectors of relative places.
_EMBEDDINGS = "_get_relative_embeddings"

#: Tokens of texts, and frames of sounds, that the graphs are traced and tried with.
_TOKENS, _FRAMES = (11, 1, 2, 40), (23, 1, 8, 150)


def convert_vits(model: ModelFacts, precision: str, folder: Path, out: Path) -> None:
    """Writes both graphs.

    Args:
        model: a VITS, in safetensors.
        precision: of the weights: `fp32`, `fp16`, `int8` or `int4`.
        folder: the model's files.
        out: where to.

    Raises:
        PreconditionError: the model cannot be loaded or traced, or what was written computes something else.
    """
    if model.format == "openvino":
        raise PreconditionError("VITS models in fewer bits are made of safetensors", reason="unsupported_format")
    module = load_pretrained(model, folder, "fp32", AUTO_CLASS)
    parts = (
        (_Text(module).eval(), out / TEXT_FILE, TEXT_OUTPUTS, list(_texts(module.config))),
        (_Sound(module).eval(), out / SOUND_FILE, SOUND_OUTPUTS, list(_sounds(module.config))),
    )
    with ExitStack() as kept:
        for part, file, outputs, made in parts:
            kept.enter_context(kept_if_right(file))
            with _of_any_length(module):
                graph = _traced(part, made[0], outputs)
            save(compress_graph(graph, precision), file, halves=precision == "fp16")
            del graph
            gc.collect()
            with refused_as("OpenVINO cannot run the converted model"):
                _prove(part, file, outputs, made, precision)


@contextmanager
def _of_any_length(module: Any) -> Iterator[None]:
    """Lets attention take the vectors of relative places in a way that is one for short texts and long ones."""

    def embeddings(window: int, told: Any, length: Any) -> Any:
        padded = torch.nn.functional.pad(told, [0, 0, length, length])
        return padded[:, window + 1 : window + 2 * length]

    layers = [layer.attention for layer in module.text_encoder.encoder.layers]
    for attention in layers:
        setattr(attention, _EMBEDDINGS, partial(embeddings, attention.window_size))
    try:
        yield
    finally:
        for attention in layers:
            delattr(attention, _EMBEDDINGS)


class _Text(torch.nn.Module):  # type: ignore[misc]  # torch's types are not read (see pyproject.toml)
    """As `VitsModel.forward` begins, with the noise as an input."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, input_ids: Any, speaker: Any, noise: Any = None) -> Any:
        module = self.module
        mask = torch.ones_like(input_ids).unsqueeze(-1).to(module.dtype)
        told = module.text_encoder(input_ids=input_ids, padding_mask=mask, return_dict=True)
        hidden, mask = told.last_hidden_state.transpose(1, 2), mask.transpose(1, 2)
        voice = _voice(module, speaker)
        predictor = module.duration_predictor
        duration = predictor(hidden, mask, voice) if noise is None else _drawn(predictor, hidden, mask, voice, noise)
        return duration[:, 0], told.prior_means, told.prior_log_variances


class _Sound(torch.nn.Module):  # type: ignore[misc]  # torch's types are not read (see pyproject.toml)
    """As it ends."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, latents: Any, speaker: Any) -> Any:
        module, voice = self.module, _voice(self.module, speaker)
        mask = torch.ones_like(latents[:, :1])
        found = module.flow(latents, mask, voice, reverse=True)
        return module.decoder(found * mask, voice)[:, 0]


def _voice(module: Any, speaker: Any) -> Any:
    return module.embed_speaker(speaker).unsqueeze(-1) if module.config.num_speakers > 1 else None


def _drawn(predictor: Any, hidden: Any, mask: Any, voice: Any, noise: Any) -> Any:
    """As `VitsStochasticDurationPredictor.forward` in reverse, whose noise is drawn within."""
    inputs = predictor.conv_pre(hidden)
    if voice is not None:
        inputs = inputs + predictor.cond(voice)
    inputs = predictor.conv_proj(predictor.conv_dds(inputs, mask)) * mask
    flows = list(reversed(predictor.flows))
    latents = noise
    for flow in [*flows[:-2], flows[-1]]:  # without one that does nothing
        latents, _ = flow(torch.flip(latents, [1]), mask, global_conditioning=inputs, reverse=True)
    return latents[:, :1]


def _texts(config: Any) -> Sequence[Arrays]:
    made = []
    for count in _TOKENS:
        random = np.random.default_rng(count)
        arrays = {
            "input_ids": random.integers(0, config.vocab_size, (1, count)),
            "speaker": np.array([count % config.num_speakers]),
        }
        if config.use_stochastic_duration_prediction:
            arrays["noise"] = (random.standard_normal((1, 2, count)) * config.noise_scale_duration).astype(np.float32)
        made.append(arrays)
    return made


def _sounds(config: Any) -> Sequence[Arrays]:
    return [
        {
            "latents": np.random.default_rng(count).standard_normal((1, config.flow_size, count)).astype(np.float32),
            "speaker": np.array([count % config.num_speakers]),
        }
        for count in _FRAMES
    ]


def _traced(part: Any, example: Arrays, outputs: Sequence[str]) -> Any:
    openvino, converter = import_converter()
    free = {"input_ids": [1, -1], "speaker": [1], "noise": [1, 2, -1], "latents": None}
    shapes = []
    for name, array in example.items():
        shape = free[name] or [1, array.shape[1], -1]
        kind = openvino.Type.i64 if array.dtype == np.int64 else openvino.Type.f32
        shapes.append((name, openvino.PartialShape(shape), kind))
    tensors = {name: torch.from_numpy(array) for name, array in example.items()}
    with torch.inference_mode(), warnings.catch_warnings(), refused_as("OpenVINO cannot convert this model"):
        # Tracing warns of every number that it may freeze; the proof finds those that matter.
        warnings.simplefilter("ignore")
        graph = converter.convert_model(part, example_input=tensors, input=shapes)
    for port in graph.inputs:  # tracing leaves numbers beside their names
        port.get_tensor().set_names({next(name for name in example if name in port.get_names())})
    for port, name in zip(graph.outputs, outputs, strict=True):
        port.get_tensor().set_names({name})
    return graph


def _prove(part: Any, file: Path, outputs: Sequence[str], made: Sequence[Arrays], precision: str) -> None:
    openvino, _ = import_converter()
    compiled = openvino.Core().compile_model(file, "CPU", exact_configuration())
    names = {name for port in compiled.inputs for name in port.get_names()}
    for arrays in made:
        with torch.inference_mode():
            right = part(**{name: torch.from_numpy(array) for name, array in arrays.items()})
        found = compiled({name: array for name, array in arrays.items() if name in names})
        for name, tensor in zip(outputs, right if isinstance(right, tuple) else (right,), strict=True):
            prove_values(tensor.numpy(), np.array(found[name]), precision)
