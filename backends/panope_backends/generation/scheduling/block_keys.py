"""Names for what full blocks hold: a chain of hashes over all tokens and images from the start of a sequence.

A key stands for the tokens of its block and of all blocks before it, because keys and values depend on all of them. The
chain starts from what else they depend on, such as the model, and from the salt of the request, so that requests of
different salts find nothing of each other. The hash is a cryptographic one: with another, a prompt could be made whose
blocks pass for those of somebody else's.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from hashlib import blake2b

from panope_backends.api import PromptImage

_DIGEST_BYTES = 32


class BlockKeys:
    """Computes the keys of sequences.

    Args:
        cache_key: of the model.
        block_size: tokens of a block.
    """

    def __init__(self, cache_key: bytes, block_size: int) -> None:
        self._root = blake2b(cache_key, digest_size=_DIGEST_BYTES).digest()
        self._block_size = block_size

    def extend(
        self,
        chain: list[bytes],
        tokens: list[int],
        blocks: int,
        *,
        origin: bytes = b"",
        images: Sequence[PromptImage] = (),
    ) -> None:
        """Makes a sequence's chain at least `blocks` keys long.

        Args:
            chain: what there is of it.
            tokens: of the sequence; they fill as many blocks.
            blocks: how many.
            origin: what of the request a block's content depends on beside its tokens; always the same for a sequence.
            images: that stand in the tokens; always the same for a sequence.
        """
        while len(chain) < blocks:
            begin = len(chain) * self._block_size
            content = array("q", tokens[begin : begin + self._block_size]).tobytes()
            before = chain[-1] if chain else self._start(origin)
            content += _images_between(images, begin, begin + self._block_size)
            chain.append(blake2b(before + content, digest_size=_DIGEST_BYTES).digest())

    def _start(self, origin: bytes) -> bytes:
        """What stands before the first block; hashed under a name of its own, so that no tokens lead to it."""
        if not origin:
            return self._root
        return blake2b(self._root + origin, digest_size=_DIGEST_BYTES, person=b"origin").digest()


def _images_between(images: Sequence[PromptImage], begin: int, end: int) -> bytes:
    """What tells a block's images from others: the tokens at their places are all alike.

    It follows tokens of a known length, and each image adds equally many bytes, so that no two contents run together.
    """
    found = [image for image in images if image.begin < end and image.end > begin]
    places = array("q", [image.begin - begin for image in found]).tobytes()
    digests = [blake2b(image.digest, digest_size=_DIGEST_BYTES).digest() for image in found]
    return b"".join([*digests, places])
