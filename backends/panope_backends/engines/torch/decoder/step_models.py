"""Loads a decoder as the step model that fits it."""

from __future__ import annotations

from pathlib import Path

import torch

from panope_backends.api import ModelFacts, StepModel
from panope_backends.engines.paging import paging_refusal
from panope_backends.engines.torch.decoder.attention import ATTENTION
from panope_backends.engines.torch.decoder.facts import max_positions
from panope_backends.engines.torch.decoder.loading import load_decoder
from panope_backends.engines.torch.decoder.paged_model import TorchStepModel, paged_layers
from panope_backends.engines.torch.decoder.state_model import TorchStateModel


def load_step_model(model: ModelFacts, folder: Path, precision: str, threads: int) -> StepModel:
    """Loads safetensors; `threads` 0 keeps torch's own number.

    Raises:
        PreconditionError: as `load_decoder`.
    """
    if threads:
        torch.set_num_threads(threads)  # for the whole process, which holds this one model
    if not paging_refusal(model.config):
        module = load_decoder(model, folder, precision, ATTENTION)
        positions = max_positions(module.config)
        layers = paged_layers(module)
        if layers and positions:
            return TorchStepModel(module, layers, precision, positions)
        del module
    module = load_decoder(model, folder, precision, None)
    return TorchStateModel(module, precision, max_positions(module.config))
