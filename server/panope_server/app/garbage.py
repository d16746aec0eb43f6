"""How often Python looks for cycles of garbage in the server's process."""

from __future__ import annotations

import gc

#: Containers that calls may make before the youngest are looked through. Python's 700 are some fifteen calls, of which
#: most are still running then, so that looking found little and took a twentieth of the server's time.
YOUNGEST = 5_000


def tune_garbage_collection() -> None:
    """Leaves what was made until now out of all collections, and makes them rarer; called once, when the server is up.

    What a server keeps for its life is hundreds of thousands of objects, through which a full collection would go, with
    the event loop standing still.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNGEST, *gc.get_threshold()[1:])
