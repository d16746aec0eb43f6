"""The conversion of encoder-decoders: safetensors to two graphs, proved before they are kept."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from panope_backends.api import ModelFacts
from panope_backends.engines.openvino.compress import compress_graph
from panope_backends.engines.openvino.convert import kept_if_right, save
from panope_backends.engines.openvino.encoder_decoder.export import export
from panope_backends.engines.openvino.encoder_decoder.facts import ENCODER_FILE, FILE, write_facts
from panope_backends.engines.openvino.encoder_decoder.load import load_encoder_decoder
from panope_backends.engines.openvino.encoder_decoder.proof import Array, prove
from panope_backends.engines.openvino.encoder_decoder.support import encoder_decoder_refusal
from panope_backends.engines.openvino.exact import exact_configuration
from panope_backends.engines.openvino.runtime import import_converter
from panope_backends.engines.refusals import refused_as
from panope_backends.engines.torch.encoder_decoder.attention import ATTENTION
from panope_backends.engines.torch.encoder_decoder.composed import load_module
from panope_backends.engines.torch.encoder_decoder.facts import decoder_config
from panope_backends.engines.torch.encoder_decoder.reader import reader_of
from panope_backends.errors import PreconditionError


def convert(model: ModelFacts, precision: str, folder: Path, file: Path) -> None:
    """Writes `file`, the encoder's graph and the weights of both beside it, and what they do not tell.

    Args:
        model: of the task `generate`, in safetensors, with an encoder.
        precision: of the weights that are written.
        folder: the model's files.
        file: to write.

    Raises:
        PreconditionError: the model cannot be loaded or traced, or what was written computes something else.
    """
    if model.format == "openvino":
        raise PreconditionError("encoder-decoders in fewer bits are made of safetensors", reason="unsupported_format")
    if refusal := encoder_decoder_refusal(model):
        raise PreconditionError(f"the model cannot be converted: {refusal}", reason="unsupported_model")
    encoder = file.with_name(ENCODER_FILE)
    with kept_if_right(file, file.with_name(FILE)), kept_if_right(encoder):
        _write(model, precision, folder, file, encoder)
        gc.collect()  # the traced model's weights, before the same model is loaded again
        original = _Original(load_module(model, folder, "fp32", "eager"))
        openvino, _ = import_converter()
        with refused_as("OpenVINO cannot run the converted model"):
            prove(
                load_encoder_decoder(openvino, file, exact_configuration(), "fp32"),
                original,
                precision,
                original.padding,
            )


def _write(model: ModelFacts, precision: str, folder: Path, file: Path, encoder: Path) -> None:
    module = load_module(model, folder, "fp32", ATTENTION)
    try:
        *graphs, facts = export(module)
    except (AttributeError, KeyError, TypeError, IndexError, ValueError) as error:
        # A type that is built otherwise than what this package takes over.
        raise PreconditionError("the model's type does not run in steps", reason="unsupported_model") from error
    for graph, each in zip(graphs, (encoder, file), strict=True):
        save(compress_graph(graph, precision), each, halves=precision != "fp32")
    write_facts(facts, file.parent)


class _Original:
    """The model in torch, with attention in its plainest form."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._reader = reader_of(module)
        self.padding: int | None = decoder_config(module.config).pad_token_id

    def sample(self, number: int, length: int, usable: Array) -> Any:
        return self._reader.sample(number, length, usable)

    def __call__(self, source: Any, tokens: Sequence[int]) -> Array:
        answer = torch.tensor([list(tokens)])
        given = {self._reader.keyword: self._reader.tensor(source)}
        with torch.inference_mode():
            logits = self._module(**given, decoder_input_ids=answer).logits[0]
        result: Array = np.ascontiguousarray(logits.float().numpy())
        return result
