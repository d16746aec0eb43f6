"""Texts to word ids by a list of words and phrases, as sentence-transformers' PhraseTokenizer makes them.

NLTK splits a text into words and punctuation, by rules alone. Words that stand together as a phrase of the list become
one, the longest phrases first. Each is looked for as it is written, then in lower case, then without the punctuation
around it.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from typing import Any

from panope_backends.errors import PreconditionError
from panope_backends.tasks.embed.files.word_files import PhraseTokenizerFile
from panope_backends.tasks.embed.tokenizers.word_tokenizer import Word, WordTokenizer

#: What NLTK writes for quotation marks, which may have one character or two.
_QUOTES = ("``", "''")


class PhraseTokenizer(WordTokenizer):
    """As `WordTokenizer`; `do_lower_case` has no effect, as in the library.

    Args:
        file: the words and phrases.

    Raises:
        PreconditionError: NLTK is not installed.
    """

    def __init__(self, file: PhraseTokenizerFile) -> None:
        super().__init__(file)
        self._splitter = _splitter()
        self._separator = file.ngram_separator
        counts = {word: word.count(self._separator) + 1 for word in file.vocab if self._separator in word}
        self._phrases = {
            word for word, count in counts.items() if self._separator * 2 not in word and count <= file.max_ngram_length
        }
        self._lengths = sorted({counts[word] for word in self._phrases}, reverse=True)

    def found(self, text: str) -> Iterator[Word]:
        """The words and phrases of a text that have ids."""
        words = _placed(text, self._splitter.tokenize(text))
        for length in self._lengths:
            words = self._joined(words, length)
        for word, start, end in words:
            lower = word.lower()
            for form in (word, lower, lower.strip(string.punctuation)):
                if form in self.stops:
                    break
                if form and form in self.ids:
                    yield Word(self.ids[form], start, end)
                    break

    def _joined(self, words: Sequence[tuple[str, int, int]], length: int) -> list[tuple[str, int, int]]:
        """The words, those together that are a phrase of so many."""
        joined: list[tuple[str, int, int]] = []
        at = 0
        while at < len(words):
            part = words[at : at + length]
            phrase = self._separator.join(word for word, _, _ in part)
            form = next((form for form in (phrase, phrase.lower()) if form in self._phrases), None)
            if len(part) < length or form is None:
                joined.append(words[at])
                at += 1
            else:
                joined.append((form, part[0][1], part[-1][2]))
                at += length
        return joined


def _placed(text: str, words: Sequence[str]) -> list[tuple[str, int, int]]:
    """The words with their places: NLTK puts blanks between them, and writes some quotation marks in another way."""
    placed: list[tuple[str, int, int]] = []
    end = 0
    for word in words:
        start = next((at for at in range(end, len(text)) if not text[at].isspace()), len(text))
        end = start + (1 if word in _QUOTES and text[start : start + 1] == '"' else len(word))
        placed.append((word, start, end))
    return placed


def _splitter() -> Any:
    try:
        from nltk.tokenize.destructive import NLTKWordTokenizer  # it takes seconds, and few models need it
    except ModuleNotFoundError:
        raise PreconditionError(
            "the model's PhraseTokenizer needs the package `nltk`, which is not installed: "
            "pip install 'panope-serving[phrases]'"
        ) from None
    return NLTKWordTokenizer()
