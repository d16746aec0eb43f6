"""How the backend programs report: one JSON line on stdout, which libraries cannot reach."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import BinaryIO

import msgspec

#: Models come from their folder alone; set before any library that reads them is imported.
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def claim_stdout() -> Callable[[object], None]:
    """Takes stdout for the report and gives everybody else stderr, native libraries included.

    Returns:
        A function that writes its argument as one JSON line; call it once, at the end.
    """
    kept = _kept_stdout()

    def report(document: object) -> None:
        sys.stdout.flush()
        with os.fdopen(kept, "wb") as stdout:
            stdout.write(msgspec.json.encode(document) + b"\n")

    return report


def claim_stdout_stream() -> BinaryIO:
    """As `claim_stdout`, for programs that report more than once: what they write goes out at every flush."""
    return os.fdopen(_kept_stdout(), "wb")


def _kept_stdout() -> int:
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    return kept
