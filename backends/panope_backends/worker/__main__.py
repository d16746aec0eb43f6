"""`python -m panope_backends.worker --fd N [--background]`: runs one model for the server at socket N's other end."""

from __future__ import annotations

import os
import sys

from panope_backends.host import scheduling
from panope_backends.programs import process_setup


def main() -> None:
    """Runs the worker to its end."""
    socket_number, in_background = _arguments()
    process_setup.install()
    if in_background:
        scheduling.make_way()  # before there are threads, and processes of engines, which do so too

    import socket  # the guard stands before anything slow is imported

    from panope_backends.worker.program import Worker

    code = Worker(socket.socket(fileno=socket_number)).run()
    # Engines are closed; their teardown at exit is slow at best.
    os._exit(code)


def _arguments() -> tuple[int, bool]:
    """The socket's descriptor, and whether the process makes way for others."""
    match sys.argv[1:]:
        case ["--fd", number, *rest] if number.isdecimal() and rest in ([], ["--background"]):
            return int(number), bool(rest)
    raise SystemExit(
        "usage: python -m panope_backends.worker --fd NUMBER [--background]; the server starts workers itself"
    )


if __name__ == "__main__":
    main()
