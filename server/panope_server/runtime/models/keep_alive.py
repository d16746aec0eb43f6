"""Who uses a model now, and how long it stays loaded when nobody does any more.

Times are in seconds: 0 until the call that uses it has ended, infinity for ever, and None for as long as nobody needs
its memory. What the last call said counts, then the last load, then the model's record, then the settings.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def lasting(recorded: float) -> float:
    """The time of a record, in which a negative one is for ever."""
    return recorded if recorded >= 0 else math.inf


#: After which a model is asked again to end that could not when its time was over.
AGAIN_SECONDS = 1.0


class KeepAlive:
    """Counts the calls of one model, and tells when it has been unused for its time.

    Args:
        configured: the time that the model's record says, or else the settings.
        expired: called from the event loop when the time is over; asked again and again while it says False, because
            the model is in use otherwise.

    Attributes:
        calls: that use the model, or wait for it.
        last_used: when a call began or ended last, or the model was loaded, on `time.monotonic`'s clock.
        asked: the time that was asked for when it was loaded; None for nothing.
    """

    def __init__(self, configured: Callable[[], float | None], expired: Callable[[], bool]) -> None:
        self.calls = 0
        self.last_used = 0.0
        self.asked: float | None = None
        self._configured = configured
        self._expired = expired
        self._timer: asyncio.TimerHandle | None = None
        self._followed: float | None = None

    @property
    def seconds(self) -> float | None:
        """The time of the model, whatever single calls say of theirs."""
        return self._configured() if self.asked is None else self.asked

    @property
    def is_pinned(self) -> bool:
        """Whether the model is kept for ever, so that it makes no room and no call ends it."""
        return self.seconds == math.inf

    @property
    def ends_at(self) -> datetime | None:
        """When the model is unloaded if nobody uses it; None when it is in use, or has no time."""
        if self._timer is None:
            return None
        return datetime.now(UTC) + timedelta(seconds=self._timer.when() - asyncio.get_running_loop().time())

    def begin_call(self) -> None:
        """A call uses the model from now on."""
        self.calls += 1
        self.last_used = time.monotonic()
        self.stop()

    def end_call(self, asked: float | None) -> None:
        """A call uses it no longer.

        Args:
            asked: the time that the call asked for; None for that of the model. Of a pinned model it changes nothing.
        """
        self.calls -= 1
        self.last_used = time.monotonic()
        if not self.calls:
            self._wait(self.seconds if asked is None or self.is_pinned else asked)

    def loaded(self, *, for_a_call: bool) -> None:
        """The model serves; one that no call has asked for waits for its first, whatever its time."""
        self.last_used = time.monotonic()
        self._followed = self.seconds
        if not self.calls and self._timer is None and (self.seconds or for_a_call):
            self._wait(self.seconds)

    def ask(self, seconds: float | None) -> None:
        """Takes over the time that a load asked for; None changes nothing."""
        if seconds is None:
            return
        self.asked = seconds
        self.follow()
        if not self.calls:
            self._wait(seconds or None)

    def follow(self) -> None:
        """Takes over the time of a loaded model whose record says another by now; 0 is until its next call ends."""
        if self.seconds == self._followed:
            return
        self._followed = self.seconds
        if not self.calls:
            self._wait(self.seconds or None)

    def stop(self) -> None:
        """The model is in use, or gone: no time runs."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, seconds: float | None) -> None:
        self.stop()
        if seconds is not None and seconds != math.inf:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._over)

    def _over(self) -> None:
        self._timer = None
        if not self._expired():
            self._wait(AGAIN_SECONDS)
