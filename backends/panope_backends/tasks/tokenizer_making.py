"""Makes tokenizers by transformers, which changes them while it loads them, in a form that runs without it.

Needs transformers, and torch for nothing.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from panope_backends.errors import PreconditionError

#: transformers makes an empty tokenizer, and says nothing, where none of these is there.
_VOCABULARIES = (
    *("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "*.vocab", "*.spm", "*.bpe", "*.tiktoken"),
    "tekken.json",
)
_SENTENCE_PIECES = ("*.spm", "*.model")


def has_vocabulary(folder: Path, *, below: bool = False) -> bool:
    """Whether there is anything to make a tokenizer of, in the folder or, when asked, in a folder below it."""
    search = folder.rglob if below else folder.glob
    return any(True for pattern in _VOCABULARIES for _ in search(pattern))


def import_transformers() -> Any:
    """The library.

    Raises:
        PreconditionError: it is not installed.
    """
    try:
        return importlib.import_module("transformers")
    except ModuleNotFoundError as error:
        raise PreconditionError(
            f"the model's tokenizer is made once by transformers, and the package `{error.name}` is not installed: "
            "pip install transformers"
        ) from None


def made_tokenizer(transformers: Any, folder: Path, arguments: Mapping[str, Any]) -> Any:
    """The tokenizer of a folder as transformers makes it, in Python perhaps.

    Args:
        transformers: the library.
        folder: of the model.
        arguments: of the tokenizer, besides its files.

    Raises:
        PreconditionError: there is none.
    """
    try:
        with quiet(transformers):
            return transformers.AutoTokenizer.from_pretrained(
                folder, **arguments, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # of tokenizers, transformers and the class that the files name
        if find_spec("sentencepiece") is None and any(True for kind in _SENTENCE_PIECES for _ in folder.glob(kind)):
            raise PreconditionError(
                "the model's tokenizer is made once of its SentencePiece files, and the package `sentencepiece` is not "
                "installed: pip install sentencepiece"
            ) from error
        raise PreconditionError("transformers makes no tokenizer of the model's files; one is broken") from error


def load_tokenizer(transformers: Any, folder: Path, arguments: Mapping[str, Any]) -> Any:
    """The tokenizer of a folder, as `made_tokenizer`.

    Raises:
        PreconditionError: there is none, or none that runs without transformers.
    """
    return fast_tokenizer(made_tokenizer(transformers, folder, arguments))


def fast_tokenizer(made: Any) -> Any:
    """The same tokenizer.

    Raises:
        PreconditionError: it is written in Python.
    """
    if not getattr(made, "is_fast", False) or getattr(made, "backend_tokenizer", None) is None:
        raise PreconditionError(f"the tokenizer {type(made).__name__} has no form that runs without transformers")
    return made


def serialised(made: Any, *, lower_case: bool = False) -> str:
    """A tokenizer of transformers as the library `tokenizers` writes it.

    Args:
        made: by transformers; changed where texts are put into lower case.
        lower_case: whether texts are, before the tokenizer's own rules.

    Raises:
        PreconditionError: it has no such form.
    """
    from tokenizers import Tokenizer, normalizers

    parts: Any = normalizers.Sequence  # a sequence can be walked, which its type does not say
    try:
        copy: Any = Tokenizer.from_str(made.backend_tokenizer.to_str())
        if lower_case and not _lowers(copy.normalizer):
            own = copy.normalizer
            rest = list(own) if isinstance(own, parts) else [] if own is None else [own]
            copy.normalizer = parts([normalizers.Lowercase(), *rest])
            made.backend_tokenizer.normalizer = copy.normalizer
        # Padding and truncation are the task's business.
        copy.no_padding()
        copy.no_truncation()
        return str(copy.to_str())
    except Exception as error:  # a part that is written in Python
        raise PreconditionError(
            f"the tokenizer {type(made).__name__} has no form that runs without transformers"
        ) from error


def _lowers(normalizer: Any) -> bool:
    """As sentence-transformers decides whether texts are put into lower case already."""
    from tokenizers import normalizers

    parts: Any = normalizers.Sequence
    if isinstance(normalizer, parts):
        return any(_lowers(part) for part in normalizer)
    return isinstance(normalizer, normalizers.Lowercase) or bool(getattr(normalizer, "lowercase", False))


@contextlib.contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """Without what transformers says of files; what is wrong with them shows in the proof."""
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    transformers.utils.logging.disable_progress_bar()
    try:
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
