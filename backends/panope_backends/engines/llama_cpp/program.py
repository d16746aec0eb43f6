"""Has `llama-quantize` make a GGUF file's weights smaller."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from panope_backends.errors import PreconditionError
from panope_backends.host.processors import usable_processors

PROGRAM = "llama-quantize"

_PR_SET_PDEATHSIG = 1


def quantize_by_program(sources: Sequence[Path], kind: str, file: Path) -> None:
    """Writes `file` with weights of `kind`, such as `q4_k_m`.

    Args:
        sources: the model's files; of a model in parts the program finds the others beside the first.
        kind: that the program knows.
        file: to write.

    Raises:
        PreconditionError: the program is not there, or refuses the file.
    """
    try:
        # What it prints is for the log; standard output belongs to the report.
        ended = subprocess.run(
            [PROGRAM, str(sources[0]), str(file), kind.upper(), str(usable_processors())],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            check=False,
            preexec_fn=_end_with_parent,
        )
    except FileNotFoundError as error:
        raise PreconditionError(f"`{PROGRAM}` of llama.cpp is not on PATH", reason="not_installed") from error
    if ended.returncode != 0 or not file.is_file():
        raise PreconditionError(f"`{PROGRAM}` refuses the model", reason="conversion_failed")


def _end_with_parent() -> None:
    """The conversion's end, however it comes, is the program's; Linux alone has that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
