"""All models, for callers that ask for no page."""

from __future__ import annotations

from panope_registry.models.types import ModelFilter
from panope_server.runtime.status import ModelView
from panope_server.transport.interfaces import Models

_PAGE = 200
"""So many take a millisecond or two of the event loop."""


async def all_models(models: Models, only: ModelFilter, loaded: bool | None, after: str = "") -> list[ModelView]:
    """Every model that passes, by name, page after page."""
    found: list[ModelView] = []
    while True:
        page = await models.list(only, loaded=loaded, after=found[-1].name if found else after, limit=_PAGE)
        found.extend(page)
        if len(page) < _PAGE:
            return found
