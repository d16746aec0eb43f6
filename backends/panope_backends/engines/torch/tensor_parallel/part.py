"""One process's part of a divided model: loaded, then proved together with all others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from panope_backends.api import ModelFacts
from panope_backends.engines.torch.decoder.attention import ATTENTION
from panope_backends.engines.torch.decoder.loading import load_decoder
from panope_backends.engines.torch.decoder.paged_model import TorchStepModel, paged_layers
from panope_backends.engines.torch.decoder.positions import usable_positions
from panope_backends.engines.torch.decoder.trial import answers_alike, expected_logits
from panope_backends.engines.torch.devices.torch_device import TorchDevice
from panope_backends.engines.torch.tensor_parallel.group import Place, join
from panope_backends.errors import PreconditionError


@dataclass(frozen=True)
class PartOptions:
    """What a process loads.

    Attributes:
        model: what is known of it.
        folder: its files.
        precision: that its weights are brought to.
        threads: to compute with; 0 for PyTorch's own number.
        device: where the part is to be.
        place: which part of how many.
    """

    model: ModelFacts
    folder: Path
    precision: str
    threads: int
    device: TorchDevice
    place: Place


def load_part(options: PartOptions) -> Any:
    """Joins the group and loads a part of a model; nothing is exchanged after the joining.

    Returns:
        transformers' module, with this process's shares of the weights that its plan divides.

    Raises:
        PreconditionError: as `join` and `load_decoder`.
    """
    if options.threads:
        torch.set_num_threads(options.threads)
    join(options.place, options.device)
    return load_decoder(options.model, options.folder, options.precision, ATTENTION, parts=options.place.parts)


def prove_part(module: Any, options: PartOptions) -> TorchStepModel:
    """Makes the step model of a part; all processes do it at once, each with its own.

    Raises:
        PreconditionError: its steps would answer otherwise than transformers does with the same parts, or a layer has
            what pages lack.
    """
    positions = usable_positions(module)
    layers = paged_layers(module)
    if layers and positions:
        expected = expected_logits(module, text_alone=True)
        made = TorchStepModel(module, layers, options.precision, positions, device=options.device)
        if answers_alike(made, module, expected):
            return made
    raise PreconditionError(
        "the model's attention has no pages when it is divided over devices", reason="not_divisible"
    )
