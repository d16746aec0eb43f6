"""Names for what full blocks hold: a chain of hashes over all tokens from the start of a sequence.

A key stands for the tokens of its block and of all blocks before it, because keys and values depend on all of them. The
chain starts from what else they depend on: the model and its adapter. The hash is a cryptographic one: with another, a
prompt could be made whose blocks pass for those of somebody else's.
"""

from __future__ import annotations

from array import array
from hashlib import blake2b

_DIGEST_BYTES = 32


class BlockKeys:
    """Computes the keys of sequences.

    Args:
        cache_key: of the model and its adapter.
        block_size: tokens of a block.
    """

    def __init__(self, cache_key: bytes, block_size: int) -> None:
        self._root = blake2b(cache_key, digest_size=_DIGEST_BYTES).digest()
        self._block_size = block_size

    def extend(self, chain: list[bytes], tokens: list[int], blocks: int) -> None:
        """Makes a sequence's chain at least `blocks` keys long; `tokens` has as many full blocks."""
        while len(chain) < blocks:
            begin = len(chain) * self._block_size
            content = array("q", tokens[begin : begin + self._block_size]).tobytes()
            before = chain[-1] if chain else self._root
            chain.append(blake2b(before + content, digest_size=_DIGEST_BYTES).digest())
