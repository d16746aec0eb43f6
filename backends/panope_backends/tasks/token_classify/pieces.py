"""Texts as tokens with their places, within what a model takes, or in pieces of that size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Encoding

from panope_backends.errors import InvalidInputError
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer, check_ids
from panope_backends.texts import check_characters, most_characters

#: Of one text, where it runs in pieces.
MAX_PIECES = 32


@dataclass(slots=True)
class Piece:
    """What runs at once.

    Attributes:
        text: the position of its text among those of the request.
        encoding: of the whole text.
        positions: of the tokens in it that run.
    """

    text: int
    encoding: Encoding
    positions: list[int]

    @property
    def ids(self) -> list[int]:
        """Of the tokens that run."""
        ids = self.encoding.ids
        return [ids[position] for position in self.positions]


class PieceMaker:
    """Makes pieces for one model.

    Args:
        tokenizer: of the model.
        max_tokens: that it takes, special tokens included.
        vocabulary_size: ids are below it.
    """

    def __init__(self, tokenizer: TextTokenizer, max_tokens: int, vocabulary_size: int) -> None:
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._vocabulary_size = vocabulary_size

    def whole(self, texts: Sequence[str], truncation: str, first_index: int) -> tuple[list[Piece], list[int]]:
        """One piece a text, and the positions in the call of texts that were cut.

        Raises:
            InvalidInputError: a text is too long; the message names it and the limit.
        """
        limit = self._max_tokens
        if truncation == "refuse":
            check_characters(texts, limit, first_index=first_index)
        pieces, truncated = [], []
        for index, encoding in enumerate(self._encoded(texts, first_index)):
            tokens = len(encoding)
            if tokens > limit and truncation == "refuse":
                raise InvalidInputError.at(
                    f"texts[{first_index + index}]",
                    "{field} has {count:,} tokens; the model takes at most {limit:,}",
                    count=tokens,
                    limit=limit,
                )
            if tokens > limit:
                truncated.append(first_index + index)
            kept = self._tokenizer.kept_positions(encoding.ids, limit, truncation)
            pieces.append(Piece(index, encoding, kept))
        return pieces, truncated

    def overlapping(self, texts: Sequence[str], stride: int, first_index: int) -> list[Piece]:
        """Pieces of at most what the model takes, each beginning with the last `stride` tokens of the one before.

        Raises:
            InvalidInputError: a text is too long, or the stride.
        """
        check_characters(texts, self._max_tokens * MAX_PIECES, first_index=first_index)
        pieces = []
        for index, encoding in enumerate(self._encoded(texts, first_index)):
            before, after = self._tokenizer.around(encoding.ids)
            end = len(encoding) - after
            step = self._max_tokens - before - after - stride
            if step < 1:
                raise InvalidInputError.at(
                    "stride",
                    "{field} must be less than the {limit:,} tokens that the model takes beside special ones",
                    limit=self._max_tokens - before - after,
                )
            starts = range(before, max(before + 1, end - stride), step)
            if len(starts) > MAX_PIECES:
                raise InvalidInputError.at(
                    f"texts[{first_index + index}]",
                    "{field} has {count:,} pieces; the limit is {limit:,}",
                    count=len(starts),
                    limit=MAX_PIECES,
                )
            for start in starts:
                text = range(start, min(end, start + step + stride))
                pieces.append(Piece(index, encoding, [*range(before), *text, *range(end, len(encoding))]))
        return pieces

    def _encoded(self, texts: Sequence[str], first_index: int) -> list[Encoding]:
        if not texts:
            raise InvalidInputError.at("texts", "{field} is empty; give at least one")
        most = most_characters(self._max_tokens * MAX_PIECES)
        encodings = self._tokenizer.encode_places([text[:most] for text in texts])
        for index, encoding in enumerate(encodings, first_index):
            if not encoding.ids:
                raise InvalidInputError.at(f"texts[{index}]", "{field} has no tokens")
            if self._tokenizer.highest_id >= self._vocabulary_size:
                check_ids(encoding.ids, self._vocabulary_size, f"texts[{index}]")
        return encodings
