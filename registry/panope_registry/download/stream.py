"""The bytes of a file elsewhere, as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol


class Stream(Protocol):
    """One answer of a source; open until its context ends. Not safe for use by several threads."""

    @property
    def start(self) -> int:
        """The place of the first byte in the file: 0 when the source ignored the range that was asked for."""

    @property
    def total_bytes(self) -> int | None:
        """The size of the whole file; None when the source does not say."""

    def chunks(self) -> Iterator[bytes]:
        """Yields the bytes, once; they are unverified, and fewer than announced when the connection breaks quietly.

        None at all, though more was asked for than the beginning, says that the source has nothing from there on.

        Raises:
            AvailabilityError: the connection broke or stalled.
        """


OpenAt = Callable[[int], AbstractContextManager[Stream]]
"""Opens a file elsewhere at a place. Raises AvailabilityError with reason `source_unavailable` when trying again can
help, and another PanopeError when it cannot."""
