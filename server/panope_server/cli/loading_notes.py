"""Says, while a command waits until a model serves, what that waits for, such as a conversion that takes minutes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, repeat

from panope_server.cli.options import api_key
from panope_server.cli.output.console import note

#: Between two looks: short ones at first, as most reasons come early, then longer ones, as each is a line in the
#: server's log.
PAUSES = (1.0, 1.0, 2.0, 4.0, 8.0, 15.0)


@contextmanager
def loading_noted(address: str, model: str, *, until_served: bool = False) -> Iterator[None]:
    """Notes every new reason why the model does not serve yet, while the block lasts.

    Args:
        address: of the server.
        model: that is waited for.
        until_served: whether there is nothing more to tell once the model serves.
    """
    stop = threading.Event()
    thread = threading.Thread(
        target=_follow, args=(address, model, stop, until_served), name="loading-notes", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PAUSES[0])


def _follow(address: str, model: str, stop: threading.Event, until_served: bool) -> None:
    """Looks on a connection of its own; what goes wrong with it is told to whoever loads."""
    from panope_client import Client, PanopeClientError

    told = ""
    with suppress(PanopeClientError), Client(address, api_key=api_key()) as client:
        pauses = chain(PAUSES, repeat(PAUSES[-1]))
        while not stop.wait(next(pauses)):
            view = client.model(model)
            if until_served and view.state == type(view).STATE_SERVING:
                return
            is_news = view.state == type(view).STATE_LOADING and view.state_reason not in ("", told)
            if is_news and not stop.is_set():
                told = view.state_reason
                note(f"{model}: {told}")
