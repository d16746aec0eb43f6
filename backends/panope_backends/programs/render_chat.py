"""Renders chat templates, as a program: `python -m panope_backends.programs.render_chat`.

It reads JSON documents on stdin, one a line, and writes one JSON line for each: `Setup`, answered by `TemplateFacts` or
null, then `RenderRequest`s, each answered by a `Rendered`. It ends with stdin.

A template is a program of its model's author: a loop over loops, or a text a hundred million characters long, takes
what it can get. So it runs here, where the kernel ends it after so many seconds of processor time, and where memory is
limited.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from functools import partial

import msgspec

from panope_backends.programs import process_setup
from panope_backends.programs.report import claim_stdout_stream
from panope_backends.tasks.generate.chat.render import Renderer, RenderRequest, Setup


def main() -> None:
    """Renders until nobody asks any more."""
    process_setup.install()
    out = claim_stdout_stream()
    requests = msgspec.json.Decoder(RenderRequest)
    renderer: Renderer | None = None
    for line in sys.stdin.buffer:
        if renderer is None:
            setup = msgspec.json.decode(line, type=Setup)
            renderer = Renderer(setup)
            answer = within(setup.seconds, renderer.facts)
        else:
            request = requests.decode(line)
            answer = within(request.seconds, partial(renderer.render, request))
        out.write(answer + b"\n")
        out.flush()


def within(seconds: float, work: Callable[[], object]) -> bytes:
    """What some work gives, as JSON; work that takes more processor time ends the process."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    answer = msgspec.json.encode(work())
    signal.setitimer(signal.ITIMER_PROF, 0)
    return answer


if __name__ == "__main__":
    main()
