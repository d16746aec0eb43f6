"""Models as JSON."""

from __future__ import annotations

import msgspec
from google.api.httpbody_pb2 import HttpBody

from panope_server.runtime.views import ModelView
from panope_server.transport.ports import Models
from panope_server.transport.rest.bodies import printed_body

_PAGE = 1000


async def all_models(models: Models, task: str) -> list[ModelView]:
    """Every model by name, page after page; all tasks when `task` is empty."""
    found: list[ModelView] = []
    while True:
        page = await models.list(task, found[-1].name if found else "", _PAGE)
        found.extend(page)
        if len(page) < _PAGE:
            return found


def view_body(view: object) -> HttpBody:
    """A view as it is: fields by their names, times in RFC 3339, sizes as numbers."""
    return printed_body(msgspec.json.encode(view))
