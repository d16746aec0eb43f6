"""Texts to word ids by a list of words, as sentence-transformers' WhitespaceTokenizer makes them.

A text is split at blanks. A word that the list has gets its place there as id; else it is looked for without the
punctuation around it, then in lower case too. Stop words, and words that are not listed, are left out.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from panope.worker.v1 import tokenize_pb2 as messages
from panope_backends.tasks.embed.files.word_files import WordTokenizerFile
from panope_backends.tasks.embed.tokenizers.prepared import Side
from panope_backends.tasks.embed.tokenizers.tokenizer import check_ids

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text that has an id, and where it stands in the text, in characters."""

    id: int
    start: int
    end: int


class WordTokenizer:
    """One model's tokenizer, with the attributes of `TextTokenizer` that an embedding takes; safe for several threads.

    Args:
        file: the words.

    Attributes:
        ids: of the words.
        stops: words that are left out.
    """

    pad_id = 0
    most_characters = 1 << 18
    """Of one text: Python takes up to 8 µs for each, and other calls wait for it."""
    padding_side: Side = "right"
    type_ids_vary = False

    def __init__(self, file: WordTokenizerFile) -> None:
        self._file = file
        self._words = file.vocab
        self.ids = {word: index for index, word in enumerate(file.vocab)}
        self.stops = frozenset(file.stop_words or ())
        self._lowers = file.do_lower_case
        self.vocabulary_size = len(file.vocab)
        self.highest_id = self.vocabulary_size - 1

    def is_like(self, other: WordTokenizer) -> bool:
        """Whether another gives every text the same tokens."""
        return self._file == other._file

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text; none where it has no word of the list."""
        return [[word.id for word in self.found(text)] for text in texts]

    def truncate(self, ids: Sequence[int], limit: int, side: str, keep_leading: int = 0) -> list[int]:
        """Cuts `ids` to `limit`.

        Args:
            ids: of one text, longer than `limit`.
            limit: ids that are left.
            side: `end` or `start`, where ids are cut off.
            keep_leading: leading ids, such as a prompt's, that stay when ids are cut off at the start.
        """
        kept = min(keep_leading, limit) if side == "start" else limit
        return [*ids[:kept], *ids[len(ids) - (limit - kept) :]]

    def prompt_tokens(self, prompt: str) -> int:
        """How many ids a prompt takes at the start of a text."""
        return len(self.encode([prompt])[0])

    def tokenize(self, message: messages.TokenizeInput) -> messages.TokenizeOutput:
        """Splits texts into the words that have ids; there are no special tokens to add."""
        result = messages.TokenizeOutput()
        for text in message.texts:
            words = list(self.found(text))
            result.texts.add(
                ids=[word.id for word in words],
                tokens=[self._words[word.id] for word in words],
                starts=[word.start for word in words],
                ends=[word.end for word in words],
                special=[False] * len(words),
            )
        return result

    def detokenize(self, message: messages.DetokenizeInput) -> messages.DetokenizeOutput:
        """Joins words by blanks.

        Raises:
            InvalidInputError: an id that the list does not have.
        """
        sequences = [sequence.ids for sequence in message.token_sequences]
        for index, ids in enumerate(sequences):
            check_ids(ids, self.vocabulary_size, f"token_sequences[{index}]")
        return messages.DetokenizeOutput(texts=[" ".join(self._words[each] for each in ids) for ids in sequences])

    def found(self, text: str) -> Iterator[Word]:
        """The words of a text that have ids."""
        for match in _WORD.finditer(text):  # the same places as `str.split`'s
            # In lower case by words: what blanks part does not change each other's case.
            word = match[0].lower() if self._lowers else match[0]
            bare = word.strip(string.punctuation)
            before = len(word) - len(word.lstrip(string.punctuation)) if bare else 0
            inside = (match.start() + before, match.end() - (len(word) - before - len(bare)))
            for form, place in ((word, match.span()), (bare, inside), (bare.lower(), inside)):
                if form in self.stops:
                    break
                if form in self.ids:
                    yield Word(self.ids[form], *place)
                    break
