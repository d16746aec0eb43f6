"""Renders chat templates, as a program: `python -m panope_backends.programs.render_chat`.

It reads JSON documents on stdin, one a line, and writes one JSON line for each but the first: `Setup`, then
`RenderRequest`s, each answered by a `Rendered`. It ends with stdin.

A template is a program of its model's author: a loop over loops, or a text a hundred million characters long, takes
what it can get. So it runs here, where the kernel ends it after so many seconds of processor time, and where memory is
limited.
"""

from __future__ import annotations

import signal
import sys

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
            renderer = Renderer(msgspec.json.decode(line, type=Setup))
            continue
        request = requests.decode(line)
        # Its default ends the process, wherever native code is.
        signal.setitimer(signal.ITIMER_PROF, request.seconds)
        answer = msgspec.json.encode(renderer.render(request))
        signal.setitimer(signal.ITIMER_PROF, 0)
        out.write(answer + b"\n")
        out.flush()


if __name__ == "__main__":
    main()
