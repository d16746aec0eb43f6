"""Which of a model's weights can embed, and why the others cannot: told at import, not at the first call."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any

from panope_backends.errors import PreconditionError
from panope_backends.lora import CONFIG
from panope_backends.model_facts.image_models import embeds_images
from panope_backends.model_facts.text_graphs import text_outputs, text_shape
from panope_backends.model_facts.weights_support import decoder_of, packing_of
from panope_registry.inspect.weights import WeightSet
from panope_registry.names import shown

#: Formats that hold weights alone; what computes with them is a class of transformers, or the model's own.
RUN_BY_TRANSFORMERS = frozenset({"safetensors", "pytorch"})

#: Element types that mean nothing without the scales of whatever quantized them.
_SCALED = frozenset({"fp8", "fp4", "int8", "int4"})


def embedding_sets(
    weight_sets: Collection[WeightSet], config: Mapping[str, Any]
) -> tuple[tuple[WeightSet, ...], list[str]]:
    """Returns those that can embed, and why each other one cannot.

    Raises:
        PreconditionError: there is none that can.
    """
    refused = {found.main_files[0]: _refusal(found, config) for found in weight_sets}
    told = [f"`{shown(path)}` cannot embed: {reason}" for path, reason in refused.items() if reason]
    embedding = tuple(found for found in weight_sets if not refused[found.main_files[0]])
    if not embedding:
        raise PreconditionError("; ".join(told[:4]), reason="unsupported_weights")
    return embedding, told


def refuse_beside_adapter(weight_sets: Collection[WeightSet], files: Collection[str], folder: str) -> None:
    """Refuses whole weights with an adapter beside them, which changes what they compute.

    Args:
        weight_sets: of the model.
        files: of the whole folder.
        folder: that the transformer is loaded from, within the whole; empty for its root.

    Raises:
        PreconditionError: naming both.
    """
    adapter = str(PurePosixPath(folder) / CONFIG)
    if adapter not in files:
        return
    whole = [path for found in weight_sets for path in found.main_files if not _is_adapter(path)]
    if whole:
        raise PreconditionError(
            f"`{adapter}` describes an adapter beside the whole weights in `{shown(whole[0])}`; import each from a "
            "folder of its own",
            reason="unsupported_adapter",
        )


def _is_adapter(path: str) -> bool:
    return PurePosixPath(path).name.startswith("adapter_model")


def _refusal(found: WeightSet, config: Mapping[str, Any]) -> str:
    """Returns why a set cannot embed; empty when it can, as far as its header tells."""
    if found.format in RUN_BY_TRANSFORMERS:
        if packing := packing_of(config):
            return packing
        if decoder := decoder_of(config):
            return decoder
        if found.facts.precision in _SCALED:
            return f"its weights are {found.facts.precision}, and config.json does not tell how they were quantized"
        return ""
    graph = found.facts.graph
    if graph is None or embeds_images(config):  # workers look at what graphs of images take
        return ""
    try:
        text_shape(graph.inputs)
        text_outputs(graph.outputs, config)
    except PreconditionError as error:
        return error.message
    return ""
