"""Which models of transformers speak here, by their types."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from panope_backends.api import Level, ModelFacts, Support, TensorModel
from panope_backends.engines.torch.audio import speecht5, vits
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.pretrained import files_refusal, unknown_type
from panope_backends.model_facts.audio_models import SPEECHT5

SPEAK = "speak"
"""The task of models that speak."""


class _Load(Protocol):
    def __call__(
        self, model: ModelFacts, folder: Path, precision: str, threads: int, device: TorchDevice = HOST
    ) -> TensorModel: ...


#: By `model_type`: the auto class, and what loads the model.
_TYPES: Mapping[str, tuple[str, _Load]] = {
    "vits": (vits.AUTO_CLASS, vits.load_vits),
    SPEECHT5: (speecht5.AUTO_CLASS, speecht5.load_speecht5),
}


def speech_support(model: ModelFacts) -> Support:
    """Says from facts alone whether `load_speaker` can work."""
    kind = _kind_of(model)
    if kind not in _TYPES:
        known = ", ".join(_TYPES)
        return Support(Level.NONE, f"models of the type {kind[:64]!r} do not speak here; those are: {known}")
    if refusal := files_refusal(model, _TYPES[kind][0]):
        return Support(Level.NONE, refusal, is_final=bool(unknown_type(model)))
    return Support(Level.FULL, "transformers runs the model")


def load_speaker(
    model: ModelFacts, folder: Path, precision: str, threads: int, device: TorchDevice = HOST
) -> TensorModel:
    """Loads a model that speaks; `threads` 0 keeps torch's own number.

    Raises:
        PreconditionError: the model cannot be loaded.
    """
    _, load = _TYPES[_kind_of(model)]
    return load(model, folder, precision, threads, device)


def _kind_of(model: ModelFacts) -> str:
    return str(model.config.get("model_type"))
