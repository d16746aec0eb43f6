"""What the frames of a CTC model stand for, by transformers' tokenizer of such models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from panope_backends.errors import PreconditionError
from panope_backends.media.processors import import_transformers
from panope_backends.tasks.json_files import read_json

_CLASS = "Wav2Vec2CTCTokenizer"
#: As old files call it.
_NAMES = frozenset({_CLASS, "Wav2Vec2Tokenizer"})


class CtcVocabulary:
    """The signs of a model.

    Args:
        folder: of the model.

    Attributes:
        blank: the sign of frames in which nothing is said.
        delimiter: the sign between words; None for a model that has none.

    Raises:
        PreconditionError: the files describe no such tokenizer, or one of phonemes.
    """

    def __init__(self, folder: Path) -> None:
        named = read_json(folder / "tokenizer_config.json", missing_ok=True).get("tokenizer_class") or _CLASS
        if named not in _NAMES:
            raise PreconditionError(
                f"the tokenizer `{str(named)[:64]}` is not read here; models with a CTC head have `{_CLASS}`",
                reason="unsupported_model",
            )
        try:
            self._tokenizer: Any = getattr(import_transformers(), _CLASS).from_pretrained(folder, local_files_only=True)
        except PreconditionError:
            raise
        except Exception as error:  # files are checked by errors of no family
            raise PreconditionError(f"the files describe no tokenizer `{_CLASS}`", reason="load_failed") from error
        self.blank: str = self._tokenizer.pad_token
        delimiter = self._tokenizer.word_delimiter_token
        self.delimiter: str | None = delimiter if delimiter in self._tokenizer.encoder else None

    def signs(self, ids: Sequence[int]) -> list[str]:
        """Of each id; those that are none of the vocabulary's are its unknown one."""
        found: list[str] = self._tokenizer.convert_ids_to_tokens(ids)
        return found

    def text(self, signs: Sequence[str]) -> str:
        """Of signs that are told once each, with the spaces at its ends."""
        space = self._tokenizer.replace_word_delimiter_char
        text = "".join(space if sign == self.delimiter else sign for sign in signs)
        if self._tokenizer.do_lower_case:
            text = text.lower()
        if self._tokenizer.clean_up_tokenization_spaces:
            text = self._tokenizer.clean_up_tokenization(text)
        return text
