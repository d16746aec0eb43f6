"""The program that makes tokenizers, as workers run it.

It is a process of its own because it imports transformers, which workers of most engines do without.
"""

from __future__ import annotations

import subprocess
import sys

import msgspec

from panope_backends.errors import InternalError, PreconditionError

#: The program's module; it stands above this one.
PROGRAM = "panope_backends.programs.prepare_tokenizer"

TIMEOUT_SECONDS = 300.0

#: The reason of an outcome whose tokenizer was made, and could not be written.
NOT_WRITTEN = "not_written"


class Job(msgspec.Struct, forbid_unknown_fields=True):
    """What the program prepares; its document on stdin.

    Attributes:
        task: that the tokenizer is for.
        folder: of the model.
        file: to write.
        encoder: the folder within the model's that the tokenizer lies in; empty for the model's own.
    """

    task: str
    folder: str
    file: str
    encoder: str = ""


class Outcome(msgspec.Struct):
    """What the program reports."""

    ok: bool
    reason: str = ""
    message: str = ""


def run_program(job: Job) -> None:
    """Has a tokenizer made.

    Raises:
        PreconditionError: transformers is needed and not installed, or the files ask for what Panope cannot do.
        OSError: the file cannot be written.
    """
    try:
        ended = subprocess.run(
            [sys.executable, "-m", PROGRAM],
            input=msgspec.json.encode(job),
            stdout=subprocess.PIPE,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        outcome = msgspec.json.decode(ended.stdout, type=Outcome)
    except subprocess.TimeoutExpired:
        raise PreconditionError(f"the model's tokenizer was not made within {TIMEOUT_SECONDS:g} seconds") from None
    except msgspec.DecodeError:
        raise PreconditionError("making the model's tokenizer ended without an answer") from None
    if outcome.reason == NOT_WRITTEN:
        raise OSError(outcome.message)
    if not outcome.ok:
        kind = PreconditionError if outcome.reason == PreconditionError.default_reason else InternalError
        raise kind(outcome.message)
