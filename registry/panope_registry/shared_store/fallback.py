"""Opens files in the shared store where it has them, else at their own source."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from panope_backends.errors import AvailabilityError, NotFoundError, PanopeError, PermissionDeniedError
from panope_registry.download.stream import OpenAt, Stream
from panope_registry.shared_store.remote import RemoteStore

UNAVAILABLE_SECONDS = 60.0
"""The time that a shared store which did not answer is not asked again for files that have another source."""


class SharedStoreSource:
    """The shared store as a source of downloads. Safe for use by several threads.

    Args:
        remote: the shared store.
        on_missing: called with the sha256 of a file that the shared store has not.
        on_unavailable: called now and then while the shared store does not answer, or refuses.
        clock: seconds; for tests to replace.
    """

    def __init__(
        self,
        remote: RemoteStore,
        on_missing: Callable[[str], object],
        on_unavailable: Callable[[PanopeError], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._remote = remote
        self._on_missing = on_missing
        self._on_unavailable = on_unavailable
        self._clock = clock
        self._unavailable_until = float("-inf")
        self._lock = threading.Lock()

    def opener(self, sha256: str, other: OpenAt | None) -> OpenAt:
        """Opens a file; bytes are the same wherever they come from, so each source goes on where another ended.

        Args:
            sha256: of the file.
            other: opens it where the shared store has it not, fails, or sent something else; None when nobody else
                has it.
        """
        return _Opener(self, sha256, other).open_at

    @property
    def is_unavailable(self) -> bool:
        """Whether the shared store failed to answer a moment ago."""
        with self._lock:
            return self._clock() < self._unavailable_until

    def enter(self, stack: ExitStack, sha256: str, start: int) -> Stream:
        """Opens the file in the shared store, until the stack ends.

        Raises:
            NotFoundError: it is not there.
            AvailabilityError, PermissionDeniedError: the store does not answer, or refuses.
        """
        try:
            return stack.enter_context(self._remote.open(sha256, start))
        except NotFoundError:
            self._on_missing(sha256)
            raise
        except (AvailabilityError, PermissionDeniedError) as error:
            self._mark_unavailable(error)
            raise

    def _mark_unavailable(self, error: PanopeError) -> None:
        with self._lock:
            is_news = self._clock() >= self._unavailable_until
            self._unavailable_until = self._clock() + UNAVAILABLE_SECONDS
        if is_news:
            self._on_unavailable(error)


class _Opener:
    """Opens one file in one download."""

    def __init__(self, shared: SharedStoreSource, sha256: str, other: OpenAt | None) -> None:
        self._shared = shared
        self._sha256 = sha256
        self._other = other
        self._asked_from = -1
        self._failed = False

    @contextmanager
    def open_at(self, start: int) -> Iterator[Stream]:
        with ExitStack() as stack:
            if self._other is None:
                yield self._shared.enter(stack, self._sha256, start)
            else:
                yield self._shared_stream(stack, start) or stack.enter_context(self._other(start))

    def _shared_stream(self, stack: ExitStack, start: int) -> Stream | None:
        # Whoever asks again and is no further has met a store that brings nothing, or brought wrong bytes.
        self._failed = self._failed or start <= self._asked_from
        self._asked_from = start
        if self._failed or self._shared.is_unavailable:
            return None
        try:
            return self._shared.enter(stack, self._sha256, start)
        except (NotFoundError, AvailabilityError, PermissionDeniedError):
            self._failed = True
            return None
