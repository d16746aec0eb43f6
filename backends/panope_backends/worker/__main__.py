"""`python -m panope_backends.worker --fd N [--niceness M]`: runs one model for the server at socket N's other end."""

from __future__ import annotations

import os
import sys

from panope_backends.programs import process_setup


def main() -> None:
    """Runs the worker to its end."""
    socket_number, niceness = _arguments()
    process_setup.install()
    if niceness and hasattr(os, "nice"):
        os.nice(niceness)  # before there are threads, and processes of engines, which have it too

    import socket  # the guard stands before anything slow is imported

    from panope_backends.worker.program import Worker

    code = Worker(socket.socket(fileno=socket_number)).run()
    # Engines are closed; their teardown at exit is slow at best.
    os._exit(code)


def _arguments() -> tuple[int, int]:
    """The socket's descriptor, and how far the process makes way for others."""
    match sys.argv[1:]:
        case ["--fd", number] if number.isdecimal():
            return int(number), 0
        case ["--fd", number, "--niceness", niceness] if number.isdecimal() and niceness.isdecimal():
            return int(number), int(niceness)
    raise SystemExit(
        "usage: python -m panope_backends.worker --fd NUMBER [--niceness NUMBER]; the server starts workers itself"
    )


if __name__ == "__main__":
    main()
