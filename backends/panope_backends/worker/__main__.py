"""`python -m panope_backends.worker --fd N`: runs one model for the server at the other end of the socket N."""

from __future__ import annotations

import os
import sys

from panope_backends.programs import process_setup


def main() -> None:
    """Runs the worker to its end."""
    if len(sys.argv) != 3 or sys.argv[1] != "--fd" or not sys.argv[2].isdecimal():
        raise SystemExit("usage: python -m panope_backends.worker --fd NUMBER; the server starts workers itself")
    process_setup.install()

    import socket  # the guard stands before anything slow is imported

    from panope_backends.worker.program import Worker

    code = Worker(socket.socket(fileno=int(sys.argv[2]))).run()
    # Engines are closed; their teardown at exit is slow at best.
    os._exit(code)


if __name__ == "__main__":
    main()
