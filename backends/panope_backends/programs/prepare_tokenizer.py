"""Makes a model's tokenizer and keeps it, as a program: `python -m panope_backends.programs.prepare_tokenizer`.

It reads one JSON document on stdin, `{"task", "folder", "file"}`, and writes the prepared tokenizer that the task needs
of the model in `folder` to `file`. It prints one JSON line, `{"ok": true}` or `{"ok": false, "reason", "message"}`, and
exits with 0 or 1.

It is a process of its own because it imports transformers, which workers of most engines do without.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import msgspec

from panope_backends.errors import InternalError, PanopeError
from panope_backends.programs import process_setup
from panope_backends.programs.report import OFFLINE, claim_stdout
from panope_backends.tasks.classify.files import read_classify_files
from panope_backends.tasks.embed.files.config_files import read_embed_files
from panope_backends.tasks.embed.files.embed_files import EmbedFiles
from panope_backends.tasks.embed.tokenizers.prepared import FILE, PreparedTokenizer
from panope_backends.tasks.kept_files import keep
from panope_backends.tasks.text_files import READS, read_text_files
from panope_backends.tasks.tokenizer_program import NOT_WRITTEN, Job, Outcome

#: Tasks of models with labels.
CLASSIFIES = ("classify", "rerank", "token-classify")

#: Tasks of models whose tokenizer a conversion brings.
TEXTS = ("embed", *CLASSIFIES, *READS)


def text_files(task: str, folder: Path) -> EmbedFiles:
    """What a model's folder says of its texts.

    Args:
        task: of the model; one with a prepared tokenizer.
        folder: of the model.

    Raises:
        PreconditionError: the model's files ask for what Panope cannot do.
    """
    if task in READS:
        return read_text_files(folder, task)
    return read_classify_files(folder).text if task in CLASSIFIES else read_embed_files(folder)


def tokenizer_places(task: str, folder: Path) -> Iterator[tuple[Path, EmbedFiles]]:
    """Where a conversion keeps the tokenizers of a model, within its folder, and what each is made of."""
    files = text_files(task, folder)
    for way in files.ways:
        yield (way.transformer_folder.relative_to(folder) if files.routes else Path()) / FILE, way


def tokenizers_to_add(task: str, folder: Path) -> dict[Path, PreparedTokenizer]:
    """The tokenizers that a conversion of the model in `folder` brings, so that workers need no transformers.

    Args:
        task: of the model.
        folder: of the model.

    Returns:
        By their places within the folder; none where there is nothing to make them of, or no transformers to make them
        with.

    Raises:
        PreconditionError: the model's files ask for what Panope cannot do.
    """
    if find_spec("transformers") is None:
        return {}
    from panope_backends.tasks.embed.tokenizers.preparing import prepare_tokenizer
    from panope_backends.tasks.tokenizer_making import has_vocabulary

    if not has_vocabulary(folder, below=True):
        return {}
    return {file: prepare_tokenizer(files) for file, files in tokenizer_places(task, folder)}


def _prepared(job: Job) -> msgspec.Struct:
    folder = Path(job.folder)
    if job.task == "generate":
        from panope_backends.tasks.generate.tokenizer.preparing import prepare_chat_tokenizer

        return prepare_chat_tokenizer(folder)
    from panope_backends.tasks.embed.tokenizers.preparing import prepare_tokenizer

    files = text_files(job.task, folder)
    return prepare_tokenizer(next(way for way in files.ways if way.transformer_folder == folder / job.encoder))


def _prepare(job: Job) -> Outcome:
    try:
        prepared = _prepared(job)
    except PanopeError as error:
        traceback.print_exc()  # the cause, for the log
        return Outcome(False, error.reason, error.message)
    except Exception:  # of any library below; the trace is for the log, not for the report
        traceback.print_exc()
        return Outcome(False, InternalError.default_reason, "the model's tokenizer could not be made; see the log")
    try:
        keep(prepared, Path(job.file))
    except OSError as error:
        return Outcome(False, NOT_WRITTEN, str(error))
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
