"""Renders chat templates, as a program: `python -m panope_backends.programs.render_chat`.

Its first request is a `Setup`, answered by `TemplateFacts` or null; then come `RenderRequest`s, each answered by a
`Rendered`; all as JSON. It ends with its input.

A template is a program of its model's author: a loop over loops, or a text a hundred million characters long, takes
what it can get. So it runs here, where the kernel ends it after so many seconds of processor time, and where memory is
limited.
"""

from __future__ import annotations

from functools import partial

import msgspec

from panope_backends.programs.limited import serve, within
from panope_backends.tasks.generate.chat.render import Renderer, RenderRequest, Setup


class Program:
    """Renders with what its first request says."""

    def __init__(self) -> None:
        self._renderer: Renderer | None = None
        self._requests = msgspec.json.Decoder(RenderRequest)

    def answer(self, request: bytes) -> bytes:
        """The answer to one request."""
        if self._renderer is None:
            setup = msgspec.json.decode(request, type=Setup)
            self._renderer = Renderer(setup)
            return within(setup.seconds, partial(_facts, self._renderer))
        asked = self._requests.decode(request)
        return within(asked.seconds, partial(_rendered, self._renderer, asked))


def _facts(renderer: Renderer) -> bytes:
    return msgspec.json.encode(renderer.facts())


def _rendered(renderer: Renderer, request: RenderRequest) -> bytes:
    return msgspec.json.encode(renderer.render(request))


if __name__ == "__main__":
    serve(Program().answer)
