"""Opens files in the shared store where it has them, else where they come from."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from panope_backends.errors import AvailabilityError, NotFoundError, PanopeError, PermissionDeniedError
from panope_registry.download.stream import OpenAt, Stream
from panope_registry.shared_store.remote import RemoteStore

AWAY_SECONDS = 60.0
"""So long a shared store that did not answer is not asked again by files that have another source."""


class SharedStoreSource:
    """The shared store as a source of downloads. Safe for use by several threads.

    Args:
        remote: the shared store.
        lost: told the sha256 of a file that the shared store has not.
        away: told once a while that the shared store does not answer, or refuses.
        clock: seconds; for tests to replace.
    """

    def __init__(
        self,
        remote: RemoteStore,
        lost: Callable[[str], object],
        away: Callable[[PanopeError], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._remote = remote
        self._lost = lost
        self._away = away
        self._clock = clock
        self._away_until = float("-inf")
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
    def seems_away(self) -> bool:
        """Whether it did not answer a moment ago."""
        with self._lock:
            return self._clock() < self._away_until

    def enter(self, stack: ExitStack, sha256: str, start: int) -> Stream:
        """Returns the file in the shared store, until the stack ends.

        Raises:
            NotFoundError: it is not there.
            AvailabilityError, PermissionDeniedError: the store does not answer, or refuses.
        """
        try:
            return stack.enter_context(self._remote.open(sha256, start))
        except NotFoundError:
            self._lost(sha256)
            raise
        except (AvailabilityError, PermissionDeniedError) as error:
            self._is_away(error)
            raise

    def _is_away(self, error: PanopeError) -> None:
        with self._lock:
            is_news = self._clock() >= self._away_until
            self._away_until = self._clock() + AWAY_SECONDS
        if is_news:
            self._away(error)


class _Opener:
    """Of one file in one download."""

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
        if self._failed or self._shared.seems_away:
            return None
        try:
            return self._shared.enter(stack, self._sha256, start)
        except (NotFoundError, AvailabilityError, PermissionDeniedError):
            self._failed = True
            return None
