"""Refuses what no model could run, by the name of the field and with the limit."""

from __future__ import annotations

from collections.abc import Callable

from panope_server.config import Limits
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next
from panope_server.tasks.catalog import task_of
from panope_server.tasks.links import holds_file
from panope_server.tasks.validation import check_length


class Validate:
    """The step that checks a call against the limits.

    Args:
        limits: of the settings.
        check_url: refuses a URL, with the field that holds it, from which nothing is fetched; None for any URL.
    """

    def __init__(self, limits: Limits, check_url: Callable[[str, str], object] | None = None) -> None:
        self._limits = limits
        self._check_url = check_url

    async def __call__(self, call: Call, forward: Next) -> None:
        """Forwards a call that is within the limits."""
        self.check(call)
        await forward(call)

    def check(self, call: Call) -> None:
        """Refuses a call that is past them, with InvalidInputError."""
        check_length(call.requested_model, "model")
        task = task_of(call.input)
        task.validate(call.input, self._limits)
        if self._check_url is not None:
            for link in task.links(call.input):
                if not holds_file(link.url):
                    self._check_url(link.url, link.field)
