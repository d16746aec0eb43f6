"""Sees to it that the model of a call is on this machine."""

from __future__ import annotations

from typing import Protocol

from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next
from panope_server.runtime.models.directory import ResolvedModel


class Fetcher(Protocol):
    """Brings models here."""

    async def fetch(self, model: ResolvedModel, *, wait: bool) -> None:
        """Returns when the model is here; LoadingError when it is on its way and the caller does not wait."""


class Download:
    """The step that starts the download of a registered model, and waits for it when the caller asked to."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    async def __call__(self, call: Call, forward: Next) -> None:
        """Forwards the call when its model is here."""
        assert call.resolved is not None, "the step Resolve comes before"
        await self._fetcher.fetch(call.resolved, wait=call.wait)
        await forward(call)
