"""Token sequences of texts and of pairs of texts, within what a classifier takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from panope_backends.errors import InvalidInputError
from panope_backends.tasks.classify.classifier import Classifier
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer, check_ids
from panope_backends.tasks.embed.tokenizers.tokenizing import tokenize
from panope_backends.tasks.task import TokenRow
from panope_backends.texts import most_characters

TRUNCATIONS = ("refuse", "end", "start")

Name = Callable[[int], str]
"""The field of an item, by its position in the call."""


@dataclass(slots=True)
class Sequences:
    """What to run.

    Attributes:
        rows: in the order of the texts.
        truncated: the positions of those that were cut, ascending.
    """

    rows: list[TokenRow]
    truncated: list[int]


class SequenceMaker:
    """Makes tokens of texts for one classifier.

    Args:
        classifier: whose limits hold.
        tokenizer: of the same model.
    """

    def __init__(self, classifier: Classifier, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._max_tokens = classifier.max_tokens
        self._vocabulary_size = classifier.vocabulary_size

    def singles(self, texts: Sequence[str], truncation: str, first_index: int) -> Sequences:
        """Of one text each.

        Raises:
            InvalidInputError: names the text and the limit.
        """
        check_truncation(truncation)
        if not texts:
            raise InvalidInputError.at("texts", "{field} is empty; give at least one")
        found = Sequences([], [])
        limit = self._max_tokens
        ids = tokenize(
            self._tokenizer.encode, texts, "", max_tokens=limit, truncation=truncation, first_index=first_index
        )
        for index, text in enumerate(ids, first_index):
            if not text:
                raise InvalidInputError.at(f"texts[{index}]", "{field} has no tokens")
            kept = text if len(text) <= limit else self._tokenizer.truncate(text, limit, truncation)
            found.rows.append(TokenRow(kept))
            if len(text) > limit:
                found.truncated.append(index - first_index)
        self._check_ids(found.rows, lambda index: f"texts[{index}]", first_index)
        return found

    def pairs(
        self, first: Sequence[str], second: Sequence[str], truncation: str, name: Name, *, first_alone: bool = False
    ) -> Sequences:
        """Of two texts each.

        Args:
            first: texts.
            second: as many.
            truncation: `refuse`, `end` or `start`; the longer text loses first.
            name: of the field that is told, by the position in `first`.
            first_alone: whether the second texts stay whole.

        Raises:
            InvalidInputError: names the field and the limit.
        """
        check_truncation(truncation)
        limit, cuts = self._max_tokens, truncation != "refuse"
        most = most_characters(limit)
        for index, texts in enumerate(zip(first, second, strict=True)):
            if sum(map(len, texts)) > most and not cuts:
                raise _too_long(name(index), "characters", sum(map(len, texts)), most)
        kept_first, kept_second = ([_within(text, most, truncation) for text in texts] for texts in (first, second))
        side = "start" if truncation == "start" else "end"
        rows = self._tokenizer.encode_pairs(
            kept_first, kept_second, limit if cuts else 0, side=side, first_alone=first_alone
        )
        found = Sequences([row for row, _ in rows], [])
        for index, (row, tokens) in enumerate(rows):
            if len(row.ids) > limit:
                raise _too_long(name(index), "tokens", tokens, limit)
            if tokens > limit or len(first[index]) > most or len(second[index]) > most:
                found.truncated.append(index)
        self._check_ids(found.rows, name, 0)
        return found

    def _check_ids(self, rows: Sequence[TokenRow], name: Name, first_index: int) -> None:
        if self._tokenizer.highest_id >= self._vocabulary_size:
            for index, row in enumerate(rows, first_index):
                check_ids(row.ids, self._vocabulary_size, name(index))


def check_truncation(truncation: str) -> None:
    """Refuses an unknown word."""
    if truncation not in TRUNCATIONS:
        raise InvalidInputError.at("truncation", "{field} must be one of {known}", known=", ".join(TRUNCATIONS))


def _within(text: str, most: int, truncation: str) -> str:
    """As much of a text as may have tokens that are kept, and some more."""
    return text if len(text) <= most else text[:most] if truncation == "end" else text[-most:]


def _too_long(field: str, unit: str, count: int, limit: int) -> InvalidInputError:
    return InvalidInputError.at(
        field,
        "{field} has {count:,} {unit} with the text beside it; the model takes at most {limit:,}",
        count=count,
        unit=unit,
        limit=limit,
    )
