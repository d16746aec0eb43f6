"""Makes a model's tokenizer and keeps it, as a program: `python -m panope_backends.programs.prepare_tokenizer`.

It reads one JSON document on stdin, `{"folder", "file"}`, and writes the prepared tokenizer of the model in `folder` to
`file`. It prints one JSON line, `{"ok": true}` or `{"ok": false, "reason", "message"}`, and exits with 0 or 1.

It is a process of its own because it imports transformers, which workers of most engines do without.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import traceback
from importlib.util import find_spec
from pathlib import Path

import msgspec

from panope_backends.errors import InternalError, PanopeError, PreconditionError
from panope_backends.programs import process_setup
from panope_backends.programs.report import OFFLINE, claim_stdout
from panope_backends.tasks.embed.config_files import EmbedFiles, read_embed_files
from panope_backends.tasks.embed.prepared import FILE, PreparedTokenizer, find_prepared, keep_prepared, sources_digest

TIMEOUT_SECONDS = 300.0


class Job(msgspec.Struct, forbid_unknown_fields=True):
    """What to prepare; see the module's text."""

    folder: str
    file: str


class Outcome(msgspec.Struct):
    """The report."""

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


def tokenizer_to_add(folder: Path) -> PreparedTokenizer | None:
    """The tokenizer that a conversion of the model in `folder` brings, so that workers need no transformers.

    Returns:
        None where there is nothing to make it of, or no transformers to make it with.

    Raises:
        PreconditionError: the model's files ask for what Panope cannot do.
    """
    if find_spec("transformers") is None:
        return None
    from panope_backends.tasks.embed.preparing import has_vocabulary, prepare_tokenizer

    return prepare_tokenizer(read_embed_files(folder)) if has_vocabulary(folder, below=True) else None


def _make(folder: Path, files: EmbedFiles, file: Path) -> None:
    if "transformers" in sys.modules:  # the engine has paid for the import
        from panope_backends.tasks.embed.preparing import prepare_tokenizer

        keep_prepared(prepare_tokenizer(files), file)
    else:
        _run(Job(str(folder), str(file)))


def _run(job: Job) -> None:
    """Runs this program."""
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "panope_backends.programs.prepare_tokenizer"],
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


def _prepare(job: Job) -> Outcome:
    from panope_backends.tasks.embed.preparing import prepare_tokenizer

    try:
        keep_prepared(prepare_tokenizer(read_embed_files(Path(job.folder))), Path(job.file))
    except PanopeError as error:
        traceback.print_exc()  # the cause, for the log
        return Outcome(False, error.reason, error.message)
    except Exception:  # of any library below; the trace is for the log, not for the report
        traceback.print_exc()
        return Outcome(False, InternalError.default_reason, "the model's tokenizer could not be made; see the log")
    return Outcome(True)


def main() -> int:
    """Reads the job, does it and reports; the exit code."""
    process_setup.install()  # whoever waits for this may be killed
    report = claim_stdout()
    os.environ.update(OFFLINE)
    outcome = _prepare(msgspec.json.decode(sys.stdin.buffer.read(), type=Job))
    report(outcome)
    return 0 if outcome.ok else 1


if __name__ == "__main__":
    sys.exit(main())
