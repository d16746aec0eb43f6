"""The step model over the graphs of an encoder-decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from panope_backends.api import AlignableModel, CacheSpec, Head, StepBatch
from panope_backends.api.step_models.step_batch import Integers
from panope_backends.engines.lazy_memory import lazy_zeros
from panope_backends.engines.openvino.encoder_decoder.facts import EncoderDecoderFacts
from panope_backends.engines.openvino.encoder_decoder.inputs import BLOCK_SIZE, new_cells, step_inputs
from panope_backends.engines.openvino.encoder_decoder.queries import attention_of
from panope_backends.engines.openvino.encoder_decoder.sources import Sources
from panope_backends.errors import PreconditionError
from panope_backends.host.memory import memory_bytes

Array = np.ndarray[Any, Any]

CACHE_PRECISION = "fp32"
"""Of the decoder's keys and values, and of those of sources."""


class OpenVinoEncoderDecoder(AlignableModel):
    """Two compiled graphs, each with one inference request.

    Args:
        openvino: the module.
        encoder: its graph, compiled.
        decoder: its graph, compiled.
        facts: what they do not tell.
        precision: that they compute in.
        scales: of each layer's attention to sources, where the decoder's graph tells its queries; empty where not.
    """

    def __init__(
        self,
        openvino: Any,
        encoder: Any,
        decoder: Any,
        facts: EncoderDecoderFacts,
        precision: str,
        scales: Sequence[float] = (),
    ) -> None:
        self.precision = precision
        self.source_heads = tuple(layer.heads for layer in facts.cross) if scales else ()
        self._scales = scales
        self.vocab_size, self.max_positions = facts.vocab_size, facts.max_length
        self._openvino = openvino
        self._encoder, self._decoder = encoder.create_infer_request(), decoder.create_infer_request()
        self._widths = {
            f"{kind}_cache.{index}": layer.heads * size
            for index, layer in enumerate(facts.own)
            for kind, size in (("key", layer.key_size), ("value", layer.value_size))
        }
        self._pools: dict[str, Array] = {}
        self._given: dict[str, Array] = {}
        self.cache = CacheSpec(BLOCK_SIZE, 4 * BLOCK_SIZE * sum(self._widths.values()), CACHE_PRECISION)
        self._sources = Sources(facts.cross)
        self.source = facts.source_spec(self._sources.token_bytes)

    def allocate(self, blocks: int) -> None:
        """Replaces the cache; the system gives its memory when a block is first written."""
        self.blocks, self._pools, self._given = 0, {}, {}
        try:
            for name, width in self._widths.items():
                memory = lazy_zeros(4 * blocks * BLOCK_SIZE * width)
                self._pools[name] = memory.view(np.float32).reshape(blocks, BLOCK_SIZE, width)
        except MemoryError:  # more than there is, more than can be counted
            self._pools = {}
            raise PreconditionError("the cache needs more memory than there is", reason="out_of_memory") from None
        self.blocks = blocks

    def allocate_sources(self, sources: int) -> None:
        """Forgets all sources; each one's memory is taken when it is encoded."""
        self.sources = 0
        self._sources.clear()
        if sources * self.source.max_length * self.source.token_bytes > memory_bytes():
            raise PreconditionError("the sources need more memory than there is", reason="out_of_memory")
        self.sources = sources

    def encode(self, source: int, tokens: Integers) -> None:
        """Runs the encoder's graph."""
        self.check_source(source, tokens)
        self._encode(source, {"input_ids": np.array(tokens, np.int64)})

    def encode_features(self, source: int, features: Array) -> None:
        """As `encode`, for an encoder of speech."""
        self.check_features(source, features)
        self._encode(source, {"features": np.ascontiguousarray(features)})

    def _encode(self, source: int, given: dict[str, Array]) -> None:
        self._sources.forget(source)
        self._run(self._encoder, given)
        self._sources.keep(source, [tensor.data.copy() for tensor in self._encoder.output_tensors])

    def forward(self, batch: StepBatch) -> Array:
        """Runs one step and writes its keys and values; the logits lie in OpenVINO's own buffer."""
        self._step(batch)
        blocks, cells = new_cells(batch)
        for name, pool in self._pools.items():
            kind, _, index = name.partition("_cache.")
            # What is no number would reach others that use the block again, for a mask is added to scores.
            pool[blocks, cells] = np.nan_to_num(self._decoder.get_tensor(f"new_{kind}.{index}").data)
        logits: Array = self._decoder.get_output_tensor(0).data
        return logits

    def source_attention(self, batch: StepBatch, heads: Sequence[Head]) -> Array:
        """A step that writes nothing; its queries are multiplied by the source's keys once more."""
        self.check_heads(heads)
        self._step(batch)
        assert batch.sources is not None
        (source,) = batch.sources.tolist()
        queries = {layer: self._decoder.get_tensor(f"cross_query.{layer}").data[0] for layer, _ in heads}
        return np.stack(
            [
                attention_of(queries[layer][head], self._sources.keys(source, layer)[head], self._scales[layer])
                for layer, head in heads
            ]
        )

    def _step(self, batch: StepBatch) -> None:
        self.check(batch)
        assert batch.sources is not None
        looked_at = self._sources.of(batch.sources.tolist())
        self._run(self._decoder, {**step_inputs(batch, self.max_positions), **looked_at, **self._pools})

    def copy_blocks(self, copies: Sequence[tuple[int, int]]) -> None:
        """Copies keys and values of all layers."""
        self.check_copies(copies)
        if not copies:
            return
        sources, destinations = (list(numbers) for numbers in zip(*copies, strict=True))
        for pool in self._pools.values():
            pool[destinations] = pool[sources]

    def forget(self) -> None:
        """Frees the cache and the sources."""
        self.blocks = self.sources = 0
        self._pools, self._given = {}, {}
        self._sources.clear()

    def close(self) -> None:
        """Frees the weights and what is kept."""
        self.forget()
        del self._encoder, self._decoder

    def _run(self, request: Any, inputs: dict[str, Array]) -> None:
        self._given = inputs  # keys and values are read where they lie; what is small is copied
        for name, values in inputs.items():
            is_large = values.dtype == np.float32
            request.set_tensor(name, self._openvino.Tensor(values, shared_memory=is_large))
        request.infer()
