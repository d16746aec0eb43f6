"""The hashes of a file that arrives."""

from __future__ import annotations

import hashlib

from panope_registry.download.types import ExpectedBlob


class Digests:
    """The running hashes of a file: the sha256, which names the blob, and git's where only that is known before."""

    def __init__(self, wanted: ExpectedBlob) -> None:
        self._wanted = wanted
        self._sha256 = hashlib.sha256()
        self._git = None
        if wanted.sha256 is None:
            self._git = hashlib.sha1(b"blob %d\0" % wanted.size_bytes, usedforsecurity=False)

    def update(self, block: bytes | memoryview) -> None:
        """Takes the next bytes."""
        self._sha256.update(block)
        if self._git is not None:
            self._git.update(block)

    @property
    def sha256(self) -> str:
        """The sha256 of the bytes so far, 64 hexadecimal digits."""
        return self._sha256.hexdigest()

    @property
    def fits(self) -> bool:
        """Whether the bytes so far are the file that is wanted."""
        if self._git is not None:
            return self._git.hexdigest() == self._wanted.git_sha1
        return self.sha256 == self._wanted.sha256
