"""What transport needs of the layers below: two interfaces, so that every servicer is tested without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from panope_backends.api import Device
from panope_server.runtime.views import ModelView
from panope_server.work import Answer, Call


class Pipeline(Protocol):
    """Answers calls."""

    async def run(self, call: Call) -> Answer:
        """Answers one call; the answer's kind is that of the call's work.

        Raises:
            PanopeError: of any kind.
        """


class Models(Protocol):
    """Knows, loads and unloads models."""

    async def list(self, task: str = "", after: str = "", limit: int = 100) -> Sequence[ModelView]:
        """Models by name, those after `after`; all tasks when `task` is empty."""

    async def get(self, name: str) -> ModelView:
        """One model; NotFoundError when there is none of that name."""

    async def load(self, name: str, backend: str = "", precision: str = "") -> ModelView:
        """Loads a model and returns when it serves."""

    async def unload(self, name: str) -> ModelView:
        """Ends a model's instances and returns when their memory is free."""

    async def devices(self) -> Sequence[Device]:
        """The devices of this machine, in the order in which they are preferred."""
