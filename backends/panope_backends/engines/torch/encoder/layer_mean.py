"""The weighted mean of what a transformer's layers give, as sentence-transformers' WeightedLayerPooling computes it.

It is part of what engines run, because the layers give a text's tokens as many vectors each as there are layers.
"""

from __future__ import annotations

from typing import Any

from panope_backends.errors import PreconditionError
from panope_backends.model_facts.text_graphs import LAYERS_HEAD, LAYERS_OUTPUT


def with_layer_mean(base: Any, head: str) -> Any:
    """A torch module that takes what `base` takes, and gives `weighted_hidden_state`, texts × tokens × hidden size.

    Args:
        base: a base model of transformers.
        head: `LAYERS_HEAD` and the weights of the embeddings and of each layer after them, between commas.

    Raises:
        PreconditionError: there are weights of more layers, or of fewer, than the model has.
    """
    import torch

    weights = [float(weight) for weight in head.removeprefix(LAYERS_HEAD).split(",")]
    _refuse_others(getattr(base.config, "num_hidden_layers", len(weights) - 1), weights)

    class LayerMean(torch.nn.Module):  # type: ignore[misc]  # torch's types are not read (see pyproject.toml)
        """Answers as a model of transformers does."""

        def __init__(self) -> None:
            super().__init__()
            self.base = base
            self.config = base.config

        def forward(self, **inputs: Any) -> dict[str, Any]:
            states = self.base(**inputs, output_hidden_states=True)["hidden_states"]
            _refuse_others(len(states) - 1, weights)
            parts = [state * weight for state, weight in zip(states, weights, strict=True) if weight]
            return {LAYERS_OUTPUT: sum(parts[1:], start=parts[0])}

    return LayerMean().eval()


def _refuse_others(layers: int, weights: list[float]) -> None:
    if layers != len(weights) - 1:
        raise PreconditionError(
            f"the WeightedLayerPooling module is of {len(weights) - 1:,} layers, and the model has {layers:,}"
        )
