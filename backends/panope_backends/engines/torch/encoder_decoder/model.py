"""The step model of an encoder-decoder in PyTorch: the decoder over pages, with the keys and values of its sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from panope_backends.api import AlignableModel, CacheSpec, Head, SourceSpec, StepBatch
from panope_backends.api.step_models.step_batch import Integers
from panope_backends.engines.torch.decoder.attention import AttentionLayer, flat
from panope_backends.engines.torch.decoder.loading import vocab_size_of
from panope_backends.engines.torch.decoder.paged_attention import choose_attention
from panope_backends.engines.torch.decoder.pages import Pages
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.encoder_decoder.attention import attend_by
from panope_backends.engines.torch.encoder_decoder.layers import DecoderLayers
from panope_backends.engines.torch.encoder_decoder.passing_cache import passing_cache
from panope_backends.engines.torch.encoder_decoder.positions import PositionTable, distance_biases
from panope_backends.engines.torch.encoder_decoder.reader import Reader
from panope_backends.engines.torch.encoder_decoder.sources import SourceStates
from panope_backends.engines.torch.encoder_decoder.states import EncoderStates, blank_states
from panope_backends.engines.torch.out_of_memory import refusing, step_within_memory
from panope_backends.errors import PreconditionError
from panope_backends.host.memory import memory_bytes

Array = np.ndarray[Any, Any]


class TorchEncoderDecoder(AlignableModel):
    """A module of transformers; the texts of a step lie side by side, without padding.

    Args:
        module: loaded with this package's attention.
        layers: of its decoder.
        precision: of its weights, and of the cache.
        max_length: of the decoder.
        reader: how its encoder reads.
        device: where its weights lie, and its cache.
    """

    def __init__(
        self,
        module: Any,
        layers: DecoderLayers,
        precision: str,
        max_length: int,
        reader: Reader,
        device: TorchDevice = HOST,
    ) -> None:
        self.precision, self.max_positions = precision, max_length
        self.vocab_size = vocab_size_of(module)
        self._module, self._device = module, device
        own = [each.layer for each in layers.own]
        self._pages = Pages(own, module.dtype, choose_attention(own, module.dtype, device), device)
        self.cache = CacheSpec(self._pages.block_size, self._pages.block_bytes, precision)
        self.source_heads = tuple(each.layer.heads for each in layers.cross)
        self._states = SourceStates([each.layer for each in layers.cross], module.dtype.itemsize)
        self.source = SourceSpec(reader.max_length, self._states.token_bytes, reader.features)
        self._reader = reader
        self._positions = PositionTable(module, max_length)
        biases = distance_biases([each.module for each in layers.own], max_length)
        for each, bias in zip(layers.own, biases, strict=True):
            attend_by(each.module, self._own_attention(each.layer, bias))
        for each in layers.cross:
            attend_by(each.module, partial(self._states.attend, each.layer.index))
        self._no_states, self._no_cache = blank_states(module), passing_cache(layers, module)

    def allocate(self, blocks: int) -> None:
        """Replaces the pools."""
        self.blocks = 0
        self._pages.allocate(blocks)
        self.blocks = blocks

    def allocate_sources(self, sources: int) -> None:
        """Forgets all sources; each one's memory is taken when it is encoded."""
        self.sources = 0
        self._states.clear()
        free = self._device.free_bytes()
        if sources * self.source.max_length * self.source.token_bytes > (memory_bytes() if free is None else free):
            raise PreconditionError("the sources need more memory than there is", reason="out_of_memory")
        self.sources = sources

    def encode(self, source: int, tokens: Integers) -> None:
        """Runs the encoder, and the decoder with one token, whose layers make keys and values."""
        self.check_source(source, tokens)
        self._encode(source, tokens)

    def encode_features(self, source: int, features: Array) -> None:
        """As `encode`, for an encoder of speech."""
        self.check_features(source, features)
        self._encode(source, features)

    def _encode(self, source: int, given: Any) -> None:
        self._states.begin_source(source)
        self._positions.place(None)
        self._pages.begin(None)
        with refusing(self._device), torch.inference_mode():
            states = self._reader.run(self._module, self._device.put(self._reader.tensor(given)))
            self._module(
                encoder_outputs=EncoderStates(last_hidden_state=states),
                # Any token, for nothing is made of it.
                decoder_input_ids=torch.ones(1, 1, dtype=torch.int64, device=states.device),
                use_cache=False,
            )
        self._states.end_source(source)

    def forward(self, batch: StepBatch) -> Array:
        """Runs one step; a tensor of its own holds the logits."""
        self.check(batch)
        return step_within_memory(self._forward, batch, self._device, self.cache.block_size)

    def _forward(self, batch: StepBatch) -> Array:
        self._states.begin_step(batch)
        self._positions.place(self._device.tensor(batch.positions))
        self._pages.begin(batch)
        with torch.inference_mode():
            made = self._module(
                encoder_outputs=self._no_states,
                decoder_input_ids=self._device.tensor(batch.tokens)[None],
                past_key_values=self._no_cache,
                use_cache=True,
                **self._positions.keywords(),
            )
            return self._device.array(made.logits[0, self._device.tensor(batch.sampled)])

    def source_attention(self, batch: StepBatch, heads: Sequence[Head]) -> Array:
        """A step whose layers keep what they multiply values by."""
        self.check_heads(heads)
        self._states.watch(heads)
        try:
            self.forward(batch)
        finally:
            weights = self._states.watched()
        return np.stack([self._device.array(weights[head]) for head in heads])

    def copy_blocks(self, copies: Sequence[tuple[int, int]]) -> None:
        """Copies keys and values of all layers."""
        self.check_copies(copies)
        self._pages.copy_blocks(copies)

    def forget(self) -> None:
        """Frees the cache and the sources."""
        self.blocks = self.sources = 0
        self._pages.free()
        self._states.clear()

    def free_memory_bytes(self) -> int | None:
        """Of a GPU's own memory."""
        return self._device.free_bytes()

    def close(self) -> None:
        """Frees the weights and what is kept."""
        self.forget()
        del self._module
        self._device.forget_unused()

    def _own_attention(self, layer: AttentionLayer, bias: Any) -> Callable[[Any, Any, Any, float], Any]:
        """Attention of a layer to the tokens before; none is needed while a source is read."""

        def attend(query: Any, key: Any, value: Any, scale: float) -> Any:
            del scale  # the layer has it
            tokens, heads = int(query.shape[2]), int(query.shape[1])
            if not self._pages.is_stepping:
                return query.new_zeros(1, tokens, heads, layer.value_size)
            attended = self._pages.attend(layer, flat(query), flat(key), flat(value), None, bias)
            return attended.reshape(1, tokens, heads, layer.value_size)

        return attend
