"""Makes a graph of a decoder of transformers, with a marker in the place of each layer's attention.

Texts lie side by side without padding. The graph takes `input_ids`, `position_ids` (int64 `[tokens]`) and `sampled`
(int64 `[n]`, indices of tokens), and gives `logits` (float32 `[n, vocabulary]`): what is not sampled never reaches the
model's head.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch

from panope_backends.engines.openvino.paged.facts import VERSION, PagedFacts, PagedLayer
from panope_backends.engines.openvino.paged.markers import mark
from panope_backends.engines.openvino.runtime import import_converter
from panope_backends.engines.refusals import refused_as
from panope_backends.engines.torch.decoder.attention import AttentionLayer, attend_by
from panope_backends.engines.torch.decoder.facts import max_positions
from panope_backends.engines.torch.decoder.loading import vocab_size_of
from panope_backends.errors import PreconditionError

INPUTS = ("input_ids", "position_ids", "sampled")
OUTPUT = "logits"

#: Of the implementations that transformers has of mixtures of experts, the one without steps that graphs lack.
_EXPERTS = "batched_mm"


def export(module: Any) -> tuple[Any, PagedFacts]:
    """Makes the graph.

    Args:
        module: the decoder in float32, loaded with this package's attention.

    Returns:
        The graph, and what it does not tell.

    Raises:
        PreconditionError: the model cannot be traced, or not all of its layers' attention is paged.
    """
    positions = max_positions(module.config)
    if not positions:
        raise PreconditionError("config.json has no `max_position_embeddings`", reason="unsupported_model")
    if getattr(module, "set_experts_implementation", None) and _has_experts(module.config):
        module.set_experts_implementation(_EXPERTS)
    tracing = _Tracing()
    attend_by(module, tracing.attend)
    graph = _traced(module, tracing)
    layers = tracing.layers
    if sorted(layers) != list(range(_layer_count(module.config))):
        raise PreconditionError(
            f"{len(layers)} of the model's {_layer_count(module.config)} layers have attention that can be paged",
            reason="unsupported_model",
        )
    facts = PagedFacts(VERSION, vocab_size_of(module), positions, tuple(_facts(layers[n]) for n in sorted(layers)))
    return graph, facts


@torch.library.custom_op("panope::paged_attention", mutates_args=())  # type: ignore[untyped-decorator]  # see pyproject.toml
def _marker(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, sinks: torch.Tensor, layer: int, size: int
) -> torch.Tensor:
    """What tracing sees in the place of attention; what it computes is of no use."""
    del key, value, sinks, layer
    return query.new_zeros(query.shape[0], size)


class _Tracing:
    """Collects the layers while the model is traced, and makes their markers while it is converted."""

    def __init__(self) -> None:
        self.layers: dict[int, AttentionLayer] = {}

    def attend(self, layer: AttentionLayer, query: Any, key: Any, value: Any, sinks: Any) -> Any:
        self.layers[layer.index] = layer
        no_sinks = torch.zeros(0)
        size = layer.heads * layer.value_size
        of_layer = no_sinks if sinks is None else sinks.float()
        return torch.ops.panope.paged_attention(query, key, value, of_layer, layer.index, size)

    def convert(self, context: Any) -> list[Any]:
        from openvino import opset13

        layer = self.layers[int(context.get_values_from_const_input(4))]
        query, key, value, sinks = (context.get_input(number) for number in range(4))
        has_sinks = sinks.get_partial_shape().is_static and sinks.get_shape()[0] == layer.heads
        return [mark(opset13, _facts(layer), layer.index, query, key, value, sinks if has_sinks else None)]


class _Decoder(torch.nn.Module):  # type: ignore[misc]  # torch's types are not read (see pyproject.toml)
    """The model as the graph has it: no batch, and logits of what is sampled."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module

    def forward(self, input_ids: Any, position_ids: Any, sampled: Any) -> Any:
        made = self.module(
            input_ids=input_ids[None], position_ids=position_ids[None], use_cache=False, logits_to_keep=sampled
        )
        return made.logits[0]


def _traced(module: Any, tracing: _Tracing) -> Any:
    openvino, converter = import_converter()
    from openvino.frontend.pytorch import ConversionExtension

    example = (torch.arange(5) + 3, torch.arange(5), torch.tensor([4, 2]))
    shape = openvino.PartialShape([-1])
    with torch.inference_mode(), warnings.catch_warnings(), refused_as("OpenVINO cannot convert this model"):
        # Tracing warns of every number that it may freeze; the proof finds those that matter.
        warnings.simplefilter("ignore")
        decoder = _Decoder(module).eval()
        decoder(*example)  # some keep at their first run what tracing, which runs twice, would find changed
        graph = converter.convert_model(
            decoder,
            example_input=example,
            input=[(name, shape, openvino.Type.i64) for name in INPUTS],
            extension=[ConversionExtension("panope::paged_attention", tracing.convert)],
        )
    for tensor, name in zip(graph.inputs, INPUTS, strict=True):
        tensor.get_tensor().set_names({name})
    graph.outputs[0].get_tensor().set_names({OUTPUT})
    return graph


def _facts(layer: AttentionLayer) -> PagedLayer:
    return PagedLayer(layer.heads, layer.kv_heads, layer.key_size, layer.value_size, layer.scale, layer.window)


def _layer_count(config: Any) -> int:
    return int(config.get_text_config().num_hidden_layers)


def _has_experts(config: Any) -> bool:
    text = config.get_text_config()
    return any(getattr(text, name, None) for name in ("num_experts", "num_local_experts", "n_routed_experts"))
