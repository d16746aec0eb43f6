"""The conversion of decoders: safetensors to a graph with paged attention, proved before it is kept."""

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
from panope_backends.engines.openvino.exact import exact_configuration
from panope_backends.engines.openvino.paged.export import export
from panope_backends.engines.openvino.paged.facts import FILE, PagedFacts, write_facts
from panope_backends.engines.openvino.paged.load import load_step_model
from panope_backends.engines.openvino.paged.proof import Array, prove
from panope_backends.engines.openvino.runtime import import_converter
from panope_backends.engines.paging import paging_refusal
from panope_backends.engines.refusals import refused_as
from panope_backends.engines.torch.decoder.attention import ATTENTION
from panope_backends.engines.torch.decoder.loading import load_decoder
from panope_backends.errors import PreconditionError


def convert(model: ModelFacts, precision: str, folder: Path, file: Path) -> None:
    """Writes `file`, the weights beside it and what the graph does not tell.

    Args:
        model: of the task `generate`, in safetensors.
        precision: of the weights that are written.
        folder: the model's files.
        file: to write.

    Raises:
        PreconditionError: the model's attention cannot be paged, it cannot be loaded or traced, or what was written
            computes something else.
    """
    if model.format == "openvino":
        raise PreconditionError("decoders in fewer bits are made of safetensors", reason="unsupported_format")
    if refusal := paging_refusal(model.config):
        raise PreconditionError(f"the model cannot be converted: {refusal}", reason="unsupported_model")
    with kept_if_right(file, file.with_name(FILE)):
        facts = _write(model, precision, folder, file)
        gc.collect()  # the traced model's weights, before the same model is loaded again
        _prove(model, precision, folder, file, facts)


def _write(model: ModelFacts, precision: str, folder: Path, file: Path) -> PagedFacts:
    graph, facts = export(load_decoder(model, folder, "fp32", ATTENTION))
    save(compress_graph(graph, precision), file, halves=precision != "fp32")
    write_facts(facts, file.parent)
    return facts


def _prove(model: ModelFacts, precision: str, folder: Path, file: Path, facts: PagedFacts) -> None:
    openvino, _ = import_converter()
    original = _Original(load_decoder(model, folder, "fp32", "eager"))
    with refused_as("OpenVINO cannot run the converted model"):
        made = load_step_model(openvino, file, exact_configuration(), precision="fp32", cache_precision="fp32")
        prove(made, original, precision, [layer.window for layer in facts.layers])


class _Original:
    """The model in torch, with attention in its plainest form."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __call__(self, tokens: Sequence[int]) -> Array:
        with torch.inference_mode():
            logits = self._module(input_ids=torch.tensor([list(tokens)]), use_cache=False).logits[0]
        result: Array = np.ascontiguousarray(logits.float().numpy())
        return result
