"""The blocks of a step model's cache: which are free, which are used and by how many, which hold a known content.

    free        holds nothing that anyone needs
    used        stands in one block table or in several
    evictable   stands in no table, but holds a content that a later sequence may start with

A block is used while its count of references is above 0. Evictable blocks are as good as free ones: the least recently
used is taken when no block is free.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable


class BlockPool:
    """Counts references to blocks and finds blocks by content.

    Args:
        blocks: how many there are; they are numbered from 0.
    """

    def __init__(self, blocks: int) -> None:
        self.size = blocks
        self._references = [0] * blocks
        self._free = list(range(blocks - 1, -1, -1))
        self._evictable: OrderedDict[int, None] = OrderedDict()
        self._block_of: dict[bytes, int] = {}
        self._key_of: dict[int, bytes] = {}

    @property
    def available(self) -> int:
        """Blocks that `take` can give: free and evictable ones."""
        return len(self._free) + len(self._evictable)

    @property
    def cached(self) -> int:
        """Blocks with a known content, used or evictable."""
        return len(self._block_of)

    @property
    def used(self) -> int:
        """Blocks that stand in a table."""
        return self.size - self.available

    def references(self, block: int) -> int:
        """In how many tables a block stands."""
        return self._references[block]

    def take(self) -> int:
        """Gives a block of unknown content to one table; `available` must be above 0."""
        block = self._free.pop() if self._free else self._evicted()
        self._references[block] = 1
        return block

    def share(self, block: int) -> None:
        """Counts one more table in which a block stands."""
        if not self._references[block]:
            del self._evictable[block]
        self._references[block] += 1

    def release(self, blocks: Iterable[int]) -> None:
        """Counts one table less for each; the first of them will be evicted first."""
        for block in blocks:
            self._references[block] -= 1
            if not self._references[block]:
                if block in self._key_of:
                    self._evictable[block] = None
                else:
                    self._free.append(block)

    def find(self, key: bytes) -> int | None:
        """The block with a content, or None."""
        return self._block_of.get(key)

    def name(self, block: int, key: bytes) -> None:
        """Says what a block holds; nothing changes where another block holds the same."""
        if key not in self._block_of:
            self._block_of[key] = block
            self._key_of[block] = key

    def forget(self, blocks: Iterable[int]) -> None:
        """Lets used blocks have no known content any more."""
        for block in blocks:
            if key := self._key_of.pop(block, None):
                del self._block_of[key]

    def _evicted(self) -> int:
        block, _ = self._evictable.popitem(last=False)
        del self._block_of[self._key_of.pop(block)]
        return block
