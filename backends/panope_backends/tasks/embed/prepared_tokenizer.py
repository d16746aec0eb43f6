"""Where a model's prepared tokenizer comes from: the model's folder, a cache, or the program that makes it.

The program is a process of its own because it imports transformers, which workers of most engines do without.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from panope_backends.errors import InternalError, PreconditionError
from panope_backends.tasks.embed.config_files import EmbedFiles
from panope_backends.tasks.embed.prepared import FILE, PreparedTokenizer, find_prepared, keep_prepared, sources_digest

#: The program's module; it stands above this one.
PROGRAM = "panope_backends.programs.prepare_tokenizer"

TIMEOUT_SECONDS = 300.0


class Job(msgspec.Struct, forbid_unknown_fields=True):
    """What the program prepares; its document on stdin."""

    folder: str
    file: str


class Outcome(msgspec.Struct):
    """What the program reports."""

    ok: bool
    reason: str = ""
    message: str = ""


def prepared_tokenizer(folder: Path, files: EmbedFiles, cache: Path | None) -> PreparedTokenizer:
    """The tokenizer that came with a model, or was made of the same files before, or is made now.

    Args:
        folder: of the model.
        files: what it says.
        cache: where to keep what is made; None for nowhere.

    Raises:
        PreconditionError: transformers is needed and not installed, or the files ask for what Panope cannot do.
    """
    made_of = sources_digest(files)
    if (found := find_prepared(folder / FILE, made_of)) is not None:
        return found
    with contextlib.ExitStack() as stack:
        place = cache or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="panope-tokenizer-")))
        kept = place / "tokenizers" / f"{made_of}.json"
        if (found := find_prepared(kept, made_of)) is None:
            _make(folder, files, kept)
            found = find_prepared(kept, made_of)
    if found is None:
        raise InternalError("the model's tokenizer was made and is not there")
    return found


def _make(folder: Path, files: EmbedFiles, file: Path) -> None:
    if "transformers" in sys.modules:  # the engine has paid for the import
        from panope_backends.tasks.embed.preparing import prepare_tokenizer

        keep_prepared(prepare_tokenizer(files), file)
    else:
        _run(Job(str(folder), str(file)))


def _run(job: Job) -> None:
    """Runs the program."""
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
    if not outcome.ok:
        kind = PreconditionError if outcome.reason == PreconditionError.default_reason else InternalError
        raise kind(outcome.message)
