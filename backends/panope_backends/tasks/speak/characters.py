"""A text as the tokens of a model that speaks, one a character, by transformers' tokenizer of VITS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.errors import PreconditionError
from panope_backends.media.processors import import_transformers
from panope_backends.tasks.json_files import read_json


class CharacterReader:
    """Makes tokens of texts.

    Args:
        folder: of the model.

    Raises:
        PreconditionError: the files describe no such tokenizer, or one that reads phonemes or romanises, which needs
            programs that are not here.
    """

    def __init__(self, folder: Path) -> None:
        told = read_json(folder / "tokenizer_config.json", missing_ok=True)
        if told.get("phonemize", True):
            raise PreconditionError(
                "the model speaks phonemes (`phonemize` of tokenizer_config.json), which nothing here makes of texts",
                reason="unsupported_model",
            )
        if told.get("is_uroman"):
            raise PreconditionError(
                "the model speaks romanised texts (`is_uroman` of tokenizer_config.json), which nothing here makes",
                reason="unsupported_model",
            )
        try:
            self._tokenizer: Any = import_transformers().VitsTokenizer.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # files are checked by errors of no family
            raise PreconditionError("the files describe no tokenizer of VITS", reason="load_failed") from error

    def tokens(self, sentence: str) -> NDArray[np.int64]:
        """Of one sentence, 1 × tokens; none where the model speaks none of its characters."""
        text, _ = self._tokenizer.prepare_for_tokenization(sentence)
        ids = self._tokenizer(text)["input_ids"] if text else []
        return np.array([ids], np.int64)

    def trial_text(self) -> str:
        """A character that the model speaks."""
        known = (text for text in self._tokenizer.get_vocab() if len(text) == 1 and text.isalpha())
        return next(known, "a")
