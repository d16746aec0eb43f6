"""What the runtime is told of a call beside its requests: who calls, how urgent it is, until when."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallContext:
    """One call, as queues see it.

    Attributes:
        request_id: for the log.
        caller: whose turns it waits for: calls of one caller share its turns. Empty for the server's own.
        priority: -100 to 100; above 0 is high, below 0 low. Of one caller's calls the higher goes first, too.
        deadline: when nobody waits any more, on `time.monotonic`'s clock; None for no such time.
        keep_alive: seconds for which the model stays loaded unused after it: infinity for ever, None for those of the
            model.
        is_shared: whether others may wait for the answer too, past the deadline: whoever runs it is not told that time,
            and ends it when it is cancelled.
    """

    request_id: str
    caller: str = ""
    priority: int = 0
    deadline: float | None = None
    keep_alive: float | None = None
    is_shared: bool = False
