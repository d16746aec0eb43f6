"""Decoders that give logits: one step over a paged cache. The generation core makes a `TokenModel` of each.

Blocks. The cache is `blocks` blocks of `cache.block_size` tokens each. A sequence has a block table: the token at
position `p` has its keys and values in cell `p % block_size` of block `table[p // block_size]`. Any block may stand
anywhere in a table. Cells past the end of a sequence hold leftovers of others and never matter.

The scheduler owns the blocks. It alone knows which are free, which sequences share one and when one is used again; the
model is told none of it. A block that a step only reads may stand in several tables, as shared prefixes do; a block
that it writes stands in one.

A model that keeps a running state instead of pages (Mamba and its like) says `block_size == max_positions`: one block a
sequence, which holds the state. It sets `rewinds` to False. A sequence that starts at position 0 starts anew, whatever
its block holds.

Chunks. A sequence may come in any number of steps, prompts and single tokens side by side in one batch: its logits are
the same however it was split, whatever runs beside it and wherever its blocks lie. In fp32 with a cache of fp32 they
differ by rounding alone; where a lower precision rounds differently in company, greedy texts may differ too.

Ownership. The array that `forward` returns is valid, and the caller's to overwrite, until the model's next call. So an
engine may hand out its own buffer: 32 rows of a vocabulary of 150,000 are 19 MB a step.

Errors. Call `check` first in `forward` and `check_copies` first in `copy_blocks`: a wrong block number would write
into memory of others, and the process would die later, elsewhere. A refused batch leaves the cache as it was. After any
other exception, the cells that the batch was to write are undefined and all others are as they were.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from panope_backends.api.loaded_model import LoadedModel
from panope_backends.api.step_models.step_batch import StepBatch
from panope_backends.api.step_models.step_checks import check_batch, check_copies

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class CacheSpec:
    """The geometry of a step model's cache, known once the model is loaded.

    Attributes:
        block_size: tokens of one sequence that a block holds.
        block_bytes: memory of one block: keys and values of all layers, scales of a quantized cache included.
        precision: of the cached values, such as `fp32`, `bf16` or `u8`.
    """

    block_size: int
    block_bytes: int
    precision: str


class StepModel(LoadedModel):
    """A decoder that runs one step at a time and leaves scheduling and sampling to its caller."""

    vocab_size: int
    """Columns of the logits; token ids go from 0 to one less."""

    max_positions: int
    """The most tokens of one sequence, prompt and answer together."""

    cache: CacheSpec

    blocks: int = 0
    """Of the cache, as the last `allocate` left it; 0 before."""

    rewinds: bool = True
    """Whether a step may start before the end of what the cache holds of its sequence and write over the rest, as after
    drafts that were refused. A model that does not rewind raises InvalidInputError with the field `past_lengths`.
    """

    @abstractmethod
    def allocate(self, blocks: int) -> None:
        """Replaces the cache by an empty one; called once after loading, and again to grow or shrink it.

        Args:
            blocks: how many, at least 1. The caller counts them from the memory that the instance may use.

        Raises:
            PreconditionError: the device lacks the memory; the model then has no cache (`blocks` is 0) and can be asked
                for a smaller one.
        """

    @abstractmethod
    def forward(self, batch: StepBatch) -> np.ndarray[Any, Any]:
        """Runs one step: writes the batch's tokens into the cache and gives the logits of the sampled ones.

        Tokens that are not sampled cost no row of logits: a chunk of a prompt may have none sampled.

        Returns:
            float32, shape `[len(batch.sampled), vocab_size]`, C-contiguous, rows in the order of `batch.sampled`;
            before any temperature, penalty or softmax.

        Raises:
            InvalidInputError: `check` refuses the batch.
        """

    @abstractmethod
    def copy_blocks(self, copies: Sequence[tuple[int, int]]) -> None:
        """Copies whole blocks, so that two sequences with a common part can go on differently.

        Args:
            copies: pairs of source and destination; no block is a destination twice, or a source and a destination.

        Raises:
            InvalidInputError: `check_copies` refuses them.
        """

    def check(self, batch: StepBatch) -> None:
        """Checks a batch against this model's limits, in about 0.1 ms for 32 sequences of 8,000 tokens.

        Raises:
            InvalidInputError: `field` names the part of the batch at fault.
        """
        check_batch(
            batch,
            vocab_size=self.vocab_size,
            max_positions=self.max_positions,
            block_size=self.cache.block_size,
            blocks=self.blocks,
        )

    def check_copies(self, copies: Sequence[tuple[int, int]]) -> None:
        """Checks the pairs that `copy_blocks` takes.

        Raises:
            InvalidInputError: a number is no block's, or a destination is named twice or is a source too.
        """
        check_copies(copies, self.blocks)
