"""Loads a decoder as the step model that fits it."""

from __future__ import annotations

from pathlib import Path

import torch

from panope_backends.api import LoadOptions, ModelFacts, StepModel
from panope_backends.engines.paging import paging_refusal
from panope_backends.engines.torch.decoder.attention import ATTENTION
from panope_backends.engines.torch.decoder.facts import max_positions
from panope_backends.engines.torch.decoder.image_text.model import TorchImageTextModel, image_token_id_of
from panope_backends.engines.torch.decoder.loading import load_decoder, sees_images
from panope_backends.engines.torch.decoder.paged_model import TorchStepModel, paged_layers
from panope_backends.engines.torch.decoder.state_model import TorchStateModel
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice


def load_step_model(
    model: ModelFacts,
    folder: Path,
    precision: str,
    threads: int,
    options: LoadOptions | None = None,
    device: TorchDevice = HOST,
) -> StepModel:
    """Loads safetensors.

    Args:
        model: what is known of it.
        folder: its files.
        precision: that its weights are brought to.
        threads: to compute with; 0 keeps torch's own number.
        options: of which those of adapters count here; None takes none.
        device: where to.

    Raises:
        PreconditionError: as `load_decoder`.
    """
    if threads:
        torch.set_num_threads(threads)  # for the whole process, which holds this one model
    if not paging_refusal(model.config):
        module = device.place(load_decoder(model, folder, precision, ATTENTION, vision=True))
        positions = max_positions(module.config)
        layers = paged_layers(module)
        if layers and positions:
            options = options or LoadOptions()
            most = options.max_adapters if model.format == "safetensors" else 0
            reads_images = sees_images(model) and image_token_id_of(module.config) >= 0
            kind = TorchImageTextModel if reads_images else TorchStepModel
            return kind(module, layers, precision, positions, most, options.max_adapter_rank, device)
        del module
    module = device.place(load_decoder(model, folder, precision, None, vision=True))
    return TorchStateModel(module, precision, max_positions(module.config), device)
