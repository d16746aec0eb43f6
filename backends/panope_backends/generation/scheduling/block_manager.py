"""Gives blocks to sequences and takes them back.

Only full blocks that are computed stand in several tables, and a step writes behind what is computed: so no step ever
writes a block that two tables hold. Where a sequence forks in the middle of a block, that block is copied at once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from collections.abc import Sequence as Items

from panope_backends.api import CacheSpec
from panope_backends.generation.scheduling.block_keys import BlockKeys
from panope_backends.generation.scheduling.block_pool import BlockPool
from panope_backends.generation.scheduling.sequence import ActiveRequest, Sequence


class BlockManager:
    """The block tables of all sequences of one model.

    Args:
        cache: the geometry of the model's cache.
        blocks: how many it has.
        keys: names contents; None where blocks are not used again for other sequences.
    """

    def __init__(self, cache: CacheSpec, blocks: int, keys: BlockKeys | None) -> None:
        self.pool = BlockPool(blocks)
        self.prompt_tokens = 0
        """Of all requests that were started."""
        self.cached_tokens = 0
        """Of those, found computed."""
        self._block_size = cache.block_size
        self._keys = keys

    def blocks_for(self, tokens: int) -> int:
        """How many blocks so many tokens fill, the last one in part."""
        return -(-tokens // self._block_size)

    def room(self, sequence: Sequence) -> int:
        """How many tokens the blocks of a sequence hold."""
        return len(sequence.table) * self._block_size

    def admit(self, sequence: Sequence, reserve: int) -> bool:
        """Gives an empty sequence the blocks of all its tokens, computed ones where there are.

        Args:
            sequence: gets `computed` and its table.
            reserve: blocks that must remain available beyond its own.

        Returns:
            Whether there were enough; otherwise nothing has changed.
        """
        found = self._computed_blocks(sequence)
        for block in found:
            self.pool.share(block)
        missing = self.blocks_for(len(sequence.tokens)) - len(found)
        if missing + reserve > self.pool.available:
            self.pool.release(reversed(found))
            return False
        for block in found:
            sequence.table.append(block)
        for _ in range(missing):
            sequence.table.append(self.pool.take())
        sequence.computed = len(found) * self._block_size
        self._count(sequence.request, sequence.computed)
        return True

    def pending_prefix(self, sequence: Sequence, others: Iterable[Sequence]) -> int:
        """How many tokens, beyond those known already, a sequence could start with once others are computed.

        Args:
            sequence: without blocks.
            others: that compute their prompts now; the one that it has most in common with counts.
        """
        if self._keys is None:
            return 0
        full = sequence.reusable_tokens // self._block_size
        self._extend(self._keys, sequence, full)
        known = len(self._known_blocks(sequence.chain[:full]))
        return max((_pending(sequence.chain, known, full, other) for other in others), default=0) * self._block_size

    def grow(self, sequence: Sequence, tokens: int) -> bool:
        """Gives a sequence the blocks of its first `tokens` positions, as far as there are any; whether it has all."""
        needed = self.blocks_for(tokens)
        while len(sequence.table) < needed and self.pool.available:
            sequence.table.append(self.pool.take())
        return len(sequence.table) >= needed

    def fork(self, parent: Sequence, child: Sequence) -> tuple[int, int] | None:
        """Lets a sequence without blocks start with what another has computed.

        Where there is no block left for the copy of a part of a block, the child gets nothing and stays as it is.

        Returns:
            The block to copy and where to, before the next step; None when nothing is to be copied.
        """
        full, rest = divmod(parent.computed, self._block_size)
        if rest and not self.pool.available:
            return None
        for block in parent.table.first(full).tolist():
            self.pool.share(block)
            child.table.append(block)
        child.computed = parent.computed
        child.chain, child.named_blocks = parent.chain[: parent.named_blocks], parent.named_blocks
        if not rest:
            return None
        child.table.append(self.pool.take())
        return parent.table[full], child.table[full]

    def name_computed(self, sequence: Sequence) -> None:
        """Makes the full blocks that a sequence has computed known to later ones."""
        if self._keys is None:
            return
        full = sequence.computed // self._block_size
        begin = sequence.named_blocks
        if begin < full:
            self._extend(self._keys, sequence, full)
            for index in range(begin, full):
                self.pool.name(sequence.table[index], sequence.chain[index])
            sequence.named_blocks = full

    def release(self, sequence: Sequence) -> None:
        """Takes all blocks back; what they hold remains known until they are needed."""
        # The end of a sequence is evicted before its beginning, which others are likelier to share.
        self.pool.release(reversed(sequence.table.clear()))
        sequence.computed = sequence.named_blocks = 0

    def forget(self, sequence: Sequence) -> None:
        """Lets no later sequence start with what this one holds."""
        self.pool.forget(sequence.table.to_list())

    def _count(self, request: ActiveRequest, found: int) -> None:
        """Counts the prompt of a request that starts; one that goes on was counted before."""
        if request.cached_tokens is None:
            request.cached_tokens = found
            self.prompt_tokens += len(request.given.prompt_token_ids)
            self.cached_tokens += found

    def _computed_blocks(self, sequence: Sequence) -> list[int]:
        """The longest known beginning of a sequence, in blocks."""
        if self._keys is None:
            return []
        full = sequence.reusable_tokens // self._block_size
        self._extend(self._keys, sequence, full)
        return self._known_blocks(sequence.chain[:full])

    def _known_blocks(self, chain: Iterable[bytes]) -> list[int]:
        """The blocks of the longest known beginning of a chain."""
        found: list[int] = []
        for key in chain:
            if (block := self.pool.find(key)) is None:
                break
            found.append(block)
        return found

    def _extend(self, keys: BlockKeys, sequence: Sequence, blocks: int) -> None:
        request = sequence.request
        keys.extend(sequence.chain, sequence.tokens, blocks, origin=request.cache_origin, images=request.given.images)


def _pending(chain: Items[bytes], known: int, full: int, other: Sequence) -> int:
    """How many blocks of a chain another sequence will compute next, where they follow the known ones."""
    most = min(full, len(other.chain))
    # A key stands for all tokens before it too, so chains that differ once differ from there on.
    common = bisect_left(range(most), True, key=lambda index: chain[index] != other.chain[index])
    begin = other.named_blocks
    return 0 if known < min(begin, common) else max(0, common - max(known, begin))
