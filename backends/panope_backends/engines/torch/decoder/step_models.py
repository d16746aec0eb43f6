"""Loads a decoder as the step model that fits it."""

from __future__ import annotations

from pathlib import Path

import torch

from panope_backends.api import LoadOptions, ModelFacts, StepModel
from panope_backends.engines.paging import paging_refusal
from panope_backends.engines.torch.decoder.attention import ATTENTION
from panope_backends.engines.torch.decoder.facts import rerun_reason
from panope_backends.engines.torch.decoder.image_text.model import TorchImageTextModel, image_token_id_of
from panope_backends.engines.torch.decoder.loading import load_decoder, sees_images
from panope_backends.engines.torch.decoder.paged_model import TorchStepModel, paged_layers
from panope_backends.engines.torch.decoder.positions import usable_positions
from panope_backends.engines.torch.decoder.rerun_model import TorchRerunDecoder
from panope_backends.engines.torch.decoder.state_model import TorchStateModel
from panope_backends.engines.torch.decoder.trial import answers_alike, expected_logits
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.errors import PanopeError, PreconditionError
from panope_backends.isolation.memory_limit import is_out_of_memory

#: What transformers' modules raise that are built otherwise than what this package takes over.
BUILT_OTHERWISE = (AttributeError, KeyError, TypeError, IndexError, RuntimeError, ValueError, PreconditionError)

#: Reasons that may be those of a type's attention, which another way to compute it has not.
_OF_TYPES = frozenset({"load_failed", "unsupported_model"})


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
        paged = _paged(model, folder, precision, options or LoadOptions(), device)
        if paged is not None:
            return paged
    module = device.place(load_decoder(model, folder, precision, None, vision=True))
    if not rerun_reason(model.config):
        try:
            return TorchStateModel(module, precision, usable_positions(module), device)
        except BUILT_OTHERWISE as error:
            if is_out_of_memory(error) or (isinstance(error, PreconditionError) and error.reason not in _OF_TYPES):
                raise
    try:
        return TorchRerunDecoder(module, precision, usable_positions(module), device)
    except BUILT_OTHERWISE as error:
        if isinstance(error, PanopeError) or is_out_of_memory(error):
            raise
        raise PreconditionError("the model's type does not run in steps", reason="unsupported_model") from error


def _paged(
    model: ModelFacts, folder: Path, precision: str, options: LoadOptions, device: TorchDevice
) -> StepModel | None:
    """Over pages; None where its layers have something that pages lack, or its steps would answer otherwise."""
    try:
        module = device.place(load_decoder(model, folder, precision, ATTENTION, vision=True))
        positions = usable_positions(module)
        layers = paged_layers(module)
        if not layers or not positions:
            return None
        most = options.max_adapters if model.format == "safetensors" else 0
        text_alone = not sees_images(model)
        expected = expected_logits(module, text_alone=text_alone)
        reads_images = not text_alone and image_token_id_of(module.config) >= 0
        kind = TorchImageTextModel if reads_images else TorchStepModel
        made = kind(module, layers, precision, positions, most, options.max_adapter_rank, device)
        if answers_alike(made, module, expected):
            return made
    except BUILT_OTHERWISE as error:  # a type that is built otherwise than what pages take over
        if is_out_of_memory(error) or (isinstance(error, PreconditionError) and error.reason not in _OF_TYPES):
            raise
    return None
