"""Makes graphs of an encoder-decoder of transformers: what reads a source, and what steps of the decoder compute.

The encoder's graph takes `input_ids` (int64 `[tokens]`), or `features` of audio (float32), and gives the keys and
values of each of the decoder's layers (`cross_key.0` and so on, `[1, heads, tokens, size]`).

In the decoder's graph the tokens of a step lie side by side; see `inputs` for what it takes beside them. Each layer's
attention to the tokens before is plain: it gathers the blocks of each sequence, because OpenVINO's paged attention adds
nothing for distances, as T5's does. New keys and values come out, and the step model writes them into the blocks.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch.nn.functional import embedding, scaled_dot_product_attention

from panope_backends.engines.openvino.encoder_decoder.facts import (
    VERSION,
    AttentionFacts,
    EncoderDecoderFacts,
    SoundFacts,
)
from panope_backends.engines.openvino.encoder_decoder.inputs import FAR, INPUTS
from panope_backends.engines.openvino.runtime import import_converter
from panope_backends.engines.refusals import refused_as
from panope_backends.engines.torch.decoder.attention import AttentionLayer
from panope_backends.engines.torch.decoder.loading import vocab_size_of
from panope_backends.engines.torch.encoder_decoder.attention import attend_by
from panope_backends.engines.torch.encoder_decoder.facts import max_length
from panope_backends.engines.torch.encoder_decoder.layers import AttentionModule, DecoderLayers, decoder_layers
from panope_backends.engines.torch.encoder_decoder.passing_cache import passing_cache
from panope_backends.engines.torch.encoder_decoder.positions import PositionTable, distance_biases
from panope_backends.engines.torch.encoder_decoder.reader import Reader, reader_of
from panope_backends.engines.torch.encoder_decoder.states import EncoderStates, blank_states
from panope_backends.errors import PreconditionError

_BLOCK = 32


def export(module: Any) -> tuple[Any, Any, EncoderDecoderFacts]:
    """Makes the graphs.

    Args:
        module: the model in float32, loaded with the attention of the torch engine's encoder-decoders.

    Returns:
        The encoder's, the decoder's, and what they do not tell.

    Raises:
        PreconditionError: the model cannot be traced.
    """
    layers, length = decoder_layers(module), max_length(module.config)
    reader = reader_of(module)
    own, cross = (tuple(map(_facts, part)) for part in (layers.own, layers.cross))
    facts = EncoderDecoderFacts(VERSION, vocab_size_of(module), length, own, cross, _sound(reader))
    positions = PositionTable(module, length)
    encoder = _encoder_graph(module, layers, reader)
    return encoder, _decoder_graph(module, layers, positions, length), facts


def _sound(reader: Reader) -> SoundFacts | None:
    if reader.features is None:
        return None
    return SoundFacts(reader.max_length, reader.features.shape, reader.features.max_length)


class _Encoder(torch.nn.Module):  # type: ignore[misc]  # torch's types are not read (see pyproject.toml)
    """The encoder, and what the decoder's layers make of what it gives."""

    def __init__(self, module: Any, layers: DecoderLayers, reader: Reader) -> None:
        super().__init__()
        self.module = module
        self._reader = reader
        self._made: dict[int, tuple[Any, Any]] = {}
        for part in module.get_encoder().modules():
            if not hasattr(part, "has_relative_attention_bias"):
                attend_by(part, to_all)
        for each in layers.own:
            attend_by(each.module, _nothing)
        for each in layers.cross:
            attend_by(each.module, partial(self._take, each.layer.index))

    def _take(self, index: int, query: Any, key: Any, value: Any, scale: float) -> Any:
        self._made[index] = (key, value)
        return _nothing(query, key, value, scale)

    def forward(self, given: Any) -> Any:
        states = self._reader.run(self.module, given[None])
        self.module(
            encoder_outputs=EncoderStates(last_hidden_state=states),
            decoder_input_ids=torch.ones(1, 1, dtype=torch.int64),  # any, for nothing is made of it
            use_cache=False,
        )
        return tuple(tensor for index in sorted(self._made) for tensor in self._made[index])


class _Decoder(torch.nn.Module):  # type: ignore[misc]  # torch's types are not read (see pyproject.toml)
    """A step: logits of what is sampled, and the new keys and values of each layer."""

    def __init__(self, module: Any, layers: DecoderLayers, positions: PositionTable, length: int) -> None:
        super().__init__()
        self.module = module
        self._layers, self._positions = layers, positions
        self._states, self._cache = blank_states(module), passing_cache(layers, module)
        self._given: dict[str, Any] = {}
        self._new: dict[int, tuple[Any, Any]] = {}
        biases = distance_biases([each.module for each in layers.own], length)
        self._tables: dict[int, Any] = {id(bias): _table(bias, length) for bias in biases}
        self._biases: dict[int, Any] = {}
        for each, bias in zip(layers.own, biases, strict=True):
            attend_by(each.module, partial(self._to_own, each.layer, id(bias)))
        for each in layers.cross:
            attend_by(each.module, partial(self._to_source, each.layer))

    def forward(self, *given: Any) -> Any:
        self._given = dict(zip(_names(len(self._layers.own)), given, strict=True))
        self._new, self._biases = {}, {}
        self._positions.place(self._given["position_ids"])
        made = self.module(
            encoder_outputs=self._states,
            decoder_input_ids=self._given["input_ids"][None],
            past_key_values=self._cache,
            use_cache=True,
            **self._positions.keywords(),
        )
        logits = embedding(self._given["sampled"], made.logits[0])
        return (logits, *(tensor for index in sorted(self._new) for tensor in self._new[index]))

    def _to_own(self, layer: AttentionLayer, table: int, query: Any, key: Any, value: Any, scale: float) -> Any:
        """To the tokens before, in blocks, and to those of the step, side by side."""
        new_key, new_value = _flat(key), _flat(value)
        self._new[layer.index] = (new_key, new_value)
        rows, blocks = self._given["rows"], self._given["block_tables"]

        def all_of(new: Any, pool: Any, size: int) -> Any:
            past = embedding(blocks, pool.flatten(1)).reshape(blocks.shape[0], -1, layer.heads, size)
            return torch.cat([past, _parted(embedding(rows, new), layer.heads, size)], dim=1).transpose(1, 2)

        if table not in self._biases:
            self._biases[table] = embedding(self._given["distances"], self._tables[table]).permute(0, 3, 1, 2)
        keys = all_of(new_key, self._given[f"key_cache.{layer.index}"], layer.key_size)
        values = all_of(new_value, self._given[f"value_cache.{layer.index}"], layer.value_size)
        return self._attended(layer, query, keys, values, self._biases[table], scale)

    def _to_source(self, layer: AttentionLayer, query: Any, key: Any, value: Any, scale: float) -> Any:
        keys, values = (self._given[f"cross_{kind}.{layer.index}"] for kind in ("key", "value"))
        mask = self._given["source_mask"][:, None, None, :]
        return self._attended(layer, query, keys, values, mask, scale)

    def _attended(self, layer: AttentionLayer, query: Any, keys: Any, values: Any, mask: Any, scale: float) -> Any:
        queries = _parted(embedding(self._given["rows"], _flat(query)), layer.heads, layer.key_size).transpose(1, 2)
        made = scaled_dot_product_attention(queries, keys, values, mask, scale=scale).transpose(1, 2)
        found = embedding(self._given["places"], made.reshape(-1, layer.heads * layer.value_size))
        return found.reshape(1, -1, layer.heads, layer.value_size)


def to_all(query: Any, key: Any, value: Any, scale: float) -> Any:
    """Attention with a mask that hides nothing.

    Without one OpenVINO 2026.4 gives no numbers in bf16 for 16 tokens and more, once it has run fewer.
    """
    mask = torch.zeros_like(key[:, :1, :, 0])[:, :, None, :]
    return scaled_dot_product_attention(query, key, value, mask, scale=scale).transpose(1, 2)


def _encoder_graph(module: Any, layers: DecoderLayers, reader: Reader) -> Any:
    names = [f"cross_{kind}.{index}" for index in range(len(layers.cross)) for kind in ("key", "value")]
    example: dict[str, Any] = {"input_ids": torch.arange(5) + 3}
    if reader.features is not None:
        example = {"features": reader.tensor(reader.sample(0, 5, ()))[0]}
    shape = None if reader.features is None else reader.features.shape
    return _traced(_Encoder(module, layers, reader), example, names, shape)


def _decoder_graph(module: Any, layers: DecoderLayers, positions: PositionTable, length: int) -> Any:
    own, cross = ([each.layer for each in part] for part in (layers.own, layers.cross))
    # Two sequences of one and two tokens, three blocks, a source of four tokens at most.
    example: dict[str, Any] = {
        "input_ids": torch.arange(3) + 3,
        "position_ids": torch.tensor([20, 0, 1]),  # within what small models have
        "sampled": torch.tensor([2, 0]),
        "rows": torch.tensor([[0, 0], [1, 2]]),
        "places": torch.tensor([0, 2, 3]),
        "block_tables": torch.tensor([[1, 2], [0, 0]]),
        "distances": torch.arange(2 * 2 * (2 * _BLOCK + 2)).reshape(2, 2, -1) % length,
        "source_mask": torch.zeros(2, 4),
    }
    for kind, of in (("key", "key_size"), ("value", "value_size")):
        for layer in own:
            example[f"{kind}_cache.{layer.index}"] = torch.rand(3, _BLOCK, layer.heads * getattr(layer, of))
        for layer in cross:
            example[f"cross_{kind}.{layer.index}"] = torch.rand(2, layer.heads, 4, getattr(layer, of))
    names = _names(len(own))
    outputs = ["logits", *(f"new_{kind}.{index}" for index in range(len(own)) for kind in ("key", "value"))]
    decoder = _Decoder(module, layers, positions, length)
    return _traced(decoder, {name: example[name] for name in names}, outputs)


def _traced(module: Any, example: dict[str, Any], outputs: Sequence[str], features: Sequence[int] | None = None) -> Any:
    openvino, converter = import_converter()
    kinds = {torch.int64: openvino.Type.i64, torch.float32: openvino.Type.f32}
    shapes = [
        (openvino.PartialShape(list(features)) if features else _shape(openvino, name, tensor), kinds[tensor.dtype])
        for name, tensor in example.items()
    ]
    given = tuple(example.values())
    with torch.inference_mode(), warnings.catch_warnings(), refused_as("OpenVINO cannot convert this model"):
        # Tracing warns of every number that it may freeze; the proof finds those that matter.
        warnings.simplefilter("ignore")
        module.eval()(*given)  # some keep at their first run what tracing, which runs twice, would find changed
        graph = converter.convert_model(module, example_input=given, input=shapes)
    if len(graph.inputs) != len(example) or len(graph.outputs) != len(outputs):
        raise PreconditionError("the model's graph does not take what its steps have", reason="unsupported_model")
    for tensors, names in ((graph.inputs, example), (graph.outputs, outputs)):
        for tensor, name in zip(tensors, names, strict=True):
            tensor.get_tensor().set_names({name})
    return graph


def _shape(openvino: Any, name: str, tensor: Any) -> Any:
    """Any batch and length; what the weights decide stays."""
    sizes = [-1] * tensor.dim()
    if "cache" in name:
        sizes[1:] = tensor.shape[1:]
    if name.startswith("cross"):
        sizes[1], sizes[3] = tensor.shape[1], tensor.shape[3]
    return openvino.PartialShape(sizes)


def _names(layers: int) -> list[str]:
    return [*INPUTS, *(f"{kind}.{index}" for kind in _PER_LAYER for index in range(layers))]


_PER_LAYER = ("key_cache", "value_cache", "cross_key", "cross_value")


def _table(bias: Any, length: int) -> Any:
    """What is added to a score by distance, `[length + 1, heads or 1]`; the last row is for what is not seen."""
    seen = torch.zeros(length, 1) if bias is None else bias.T.float()
    return torch.cat([seen, torch.full((1, seen.shape[1]), FAR)])


def _flat(heads: Any) -> Any:
    """`[1, heads, tokens, size]` as `[tokens, heads * size]`."""
    return heads[0].transpose(0, 1).flatten(1)


def _parted(flat: Any, heads: int, size: int) -> Any:
    """`[n, tokens, heads * size]` as `[n, tokens, heads, size]`."""
    return flat.unflatten(-1, (heads, size))


def _nothing(query: Any, key: Any, value: Any, scale: float) -> Any:
    del key, scale
    return query.new_zeros(1, query.shape[2], query.shape[1], value.shape[3])


def _facts(each: AttentionModule) -> AttentionFacts:
    layer = each.layer
    if layer.heads != layer.kv_heads:
        raise PreconditionError("its heads share keys and values", reason="unsupported_model")
    return AttentionFacts(layer.heads, layer.key_size, layer.value_size)
