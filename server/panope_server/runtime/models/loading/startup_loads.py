"""Loads what the settings name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from panope_backends.errors import NotFoundError, PanopeError

_log = structlog.get_logger("panope.models")


class StartupLoads:
    """Begins loads that nobody waits for.

    Args:
        load: loads what a name means.
    """

    def __init__(self, load: Callable[[str], Awaitable[object]]) -> None:
        self._load = load
        self._running: dict[str, asyncio.Task[None]] = {}

    def begin(self, name: str, load: Callable[[], Awaitable[object]] | None = None) -> None:
        """Begins to load, unless that is under way.

        Args:
            name: what is loaded.
            load: loads it where the name alone does not say what it is.
        """
        if name not in self._running:
            self._running[name] = asyncio.create_task(self._run(name, load or partial(self._load, name)))
            self._running[name].add_done_callback(partial(self._ended, name))

    async def _run(self, name: str, load: Callable[[], Awaitable[object]]) -> None:
        """A model of the settings that cannot be loaded: the log and `/ready` tell, the server goes on."""
        try:
            await load()
        except NotFoundError:
            _log.error("startup_model_unknown", model=name)
        except PanopeError:
            return  # the model's own state tells why
        except Exception as error:
            _log.error("load_failed", model=name, exc_info=error)

    def _ended(self, name: str, _: asyncio.Task[None]) -> None:
        del self._running[name]
