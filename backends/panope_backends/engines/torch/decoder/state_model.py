"""The step model of decoders that page nowhere: transformers' own cache for each sequence, whatever it holds.

Mamba and its kin keep a running state, hybrids some of each, and others compute attention by themselves. A block is one
sequence's cache, so it has all positions, and no step goes back in it.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache

from panope_backends.api import CacheSpec, StepBatch, StepModel
from panope_backends.engines.torch.decoder.loading import LOGITS_TOLERANCE, vocab_size_of
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.out_of_memory import refusing
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.host.memory import memory_bytes

Array = np.ndarray[Any, Any]

#: Tokens of the trial at loading.
_TRIED = 40

#: Ids before it are often of padding and other marks, which some types treat apart.
_USUAL_IDS = 8

#: Of a model whose cache does not grow and whose configuration names no end: a number to count with.
_ENDLESS = 1 << 20

#: Of a model whose cache grows and whose configuration names no end, as those with ALiBi: what they were trained on.
_USUAL = 2048


class TorchStateModel(StepModel):
    """A module of transformers that runs one sequence after another.

    Args:
        module: loaded with an attention of transformers'.
        precision: of its weights, and of the caches.
        max_positions: of one sequence; 0 where the configuration does not tell.
        device: where its weights lie, and its caches.
    """

    rewinds = False

    def __init__(self, module: Any, precision: str, max_positions: int, device: TorchDevice = HOST) -> None:
        self.precision = precision
        self.vocab_size = vocab_size_of(module)
        self._module, self._device = module, device
        takes = inspect.signature(module.forward).parameters
        self._cache_name = "past_key_values" if "past_key_values" in takes else "cache_params"
        self._keeps = "logits_to_keep" in takes
        at_one, at_two = (self._measured(tokens) for tokens in (1, 2))
        self.max_positions = max_positions or (_USUAL if at_two > at_one else _ENDLESS)
        block_bytes = at_one + (at_two - at_one) * (self.max_positions - 1)
        self.cache = CacheSpec(self.max_positions, max(1, block_bytes), precision)
        self._caches: dict[int, _Sequence] = {}
        self._goes_on_in_chunks = self._tried()

    def allocate(self, blocks: int) -> None:
        """Forgets all sequences; each one's memory is taken as it grows."""
        self.blocks, self._caches = 0, {}
        free = self._device.free_bytes()
        if blocks * self.cache.block_bytes > (memory_bytes() if free is None else free):
            raise PreconditionError("the cache needs more memory than there is", reason="out_of_memory")
        self.blocks = blocks

    def forward(self, batch: StepBatch) -> Array:
        """Runs one step, unless a sequence starts elsewhere than at 0 or at the end of its cache."""
        self.check(batch)
        blocks, past = batch.block_tables.tolist(), batch.past_lengths.tolist()
        for block, length in zip(blocks, past, strict=True):
            if length and (block not in self._caches or self._caches[block].length != length):
                raise InvalidInputError("the model cannot go back in a sequence", field="past_lengths")
        logits = np.empty((len(batch.sampled), self.vocab_size), np.float32)
        with refusing(self._device):
            for number, block in enumerate(blocks):
                begin, end = batch.token_begins[number : number + 2].tolist()
                rows = np.flatnonzero((batch.sampled >= begin) & (batch.sampled < end))
                logits[rows] = self._run(block, past[number], batch.tokens[begin:end], batch.sampled[rows] - begin)
        return logits

    def copy_blocks(self, copies: Sequence[tuple[int, int]]) -> None:
        """Copies caches."""
        self.check_copies(copies)
        for source, destination in copies:
            self._caches.pop(destination, None)
            if source in self._caches:
                self._caches[destination] = copy.deepcopy(self._caches[source])

    def free_memory_bytes(self) -> int | None:
        """Of a GPU's own memory."""
        return self._device.free_bytes()

    def close(self) -> None:
        """Frees the weights and the caches."""
        self._caches = {}
        del self._module
        self._device.forget_unused()

    def _run(self, block: int, past: int, tokens: Array, sampled: Array) -> Array:
        # What fails leaves no cache behind that would pass for the sequence's.
        sequence = self._caches.pop(block, None) if past else None
        sequence = sequence or _Sequence(DynamicCache(config=self._module.config))
        size = len(tokens) if self._goes_on_in_chunks or not past else 1
        logits = np.empty((len(sampled), self.vocab_size), np.float32)
        for begin in range(0, len(tokens), size):
            rows = np.flatnonzero((sampled >= begin) & (sampled < begin + size))
            logits[rows] = self._logits(sequence.cache, tokens[begin : begin + size], sampled[rows] - begin)
        sequence.length = past + len(tokens)
        self._caches[block] = sequence
        return logits

    def _tried(self) -> bool:
        """Whether a sequence goes on by several tokens at once; some types begin anew then, and take one at a time.

        Raises:
            PreconditionError: it does not go on at all: the type keeps something outside of its cache.
        """
        count = min(_TRIED, self.max_positions)
        tokens = (_USUAL_IDS + np.arange(count, dtype=np.int64)) % self.vocab_size
        everywhere = np.arange(len(tokens))
        expected = self._logits(DynamicCache(config=self._module.config), tokens, everywhere)
        half = len(tokens) // 2
        for self._goes_on_in_chunks in (True, False):
            found = [
                self._run(0, begin, tokens[begin:end], np.arange(end - begin))
                for begin, end in ((0, half), (half, len(tokens)))
                if end > begin
            ]
            difference = np.abs(np.concatenate(found) - expected).max() / np.abs(expected).max()
            if difference <= LOGITS_TOLERANCE[self.precision]:
                self._caches = {}
                return self._goes_on_in_chunks
        raise PreconditionError(
            "a sequence of this type does not go on where it ended: its cache does not hold all",
            reason="unsupported_model",
        )

    def _logits(self, cache: Any, tokens: Array, sampled: Array) -> Array:
        with torch.inference_mode():
            rows = self._device.tensor(sampled)
            keep = {"logits_to_keep": rows} if self._keeps else {}
            ids = self._device.tensor(tokens)[None]
            made = self._module(input_ids=ids, use_cache=True, **{self._cache_name: cache}, **keep)
            return self._device.array(made.logits[0] if self._keeps else made.logits[0, rows])

    def _measured(self, tokens: int) -> int:
        """Bytes of a cache that holds so many tokens."""
        cache = DynamicCache(config=self._module.config)
        self._logits(cache, np.zeros(tokens, np.int64), np.zeros(1, np.int64))
        return sum(tensor.numel() * tensor.element_size() for tensor in _tensors(cache))


class _Sequence:
    """One sequence's cache, and how many tokens it holds."""

    def __init__(self, cache: Any) -> None:
        self.cache = cache
        self.length = 0


def _tensors(value: Any) -> Iterator[Any]:
    """All tensors of a cache, whatever its layers call them."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each)
    elif type(value).__module__.startswith("transformers.") and hasattr(value, "__dict__"):
        yield from _tensors(vars(value))
