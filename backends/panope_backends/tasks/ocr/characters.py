"""What the recognizer says of a line, as text: the likeliest character of each column (CTC, greedily)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from panope_backends.errors import PreconditionError
from panope_backends.graphs.ocr_description import TextRecognizer
from panope_backends.graphs.terms import FILE

_KEY = "character"
_BLANK = 0


@dataclass(frozen=True, slots=True)
class Word:
    """What stands between two spaces.

    Attributes:
        text: at least one character.
        score: the mean of its characters' probabilities.
        begin: where it begins, as a part of the line's width.
        end: where it ends.
    """

    text: str
    score: float
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class ReadText:
    """The text of a line.

    Attributes:
        text: in the order in which the model reads, from left to right.
        score: the mean of its characters' probabilities; 0 without any.
        characters: each by itself.
        scores: of each.
        places: of each: the middle of its column, as a part of the line's width.
    """

    text: str
    score: float
    characters: Sequence[str]
    scores: NDArray[np.float32]
    places: NDArray[np.float64]

    def words(self) -> list[Word]:
        """Those that spaces part; a script without spaces has one."""
        made: list[Word] = []
        edges = self._edges()
        start: int | None = None
        for at in range(len(self.characters) + 1):
            is_text = at < len(self.characters) and not self.characters[at].isspace()
            if is_text and start is None:
                start = at
            elif not is_text and start is not None:
                score = float(self.scores[start:at].mean())
                made.append(Word("".join(self.characters[start:at]), score, edges[start], edges[at]))
                start = None
        return made

    def _edges(self) -> list[float]:
        """Between two characters it is the middle; before the first and behind the last, half a usual distance."""
        if not len(self.places):
            return []
        half = float(np.diff(self.places).mean()) / 2 if len(self.places) > 1 else 0.5
        middles = (self.places[1:] + self.places[:-1]) / 2
        edges = [self.places[0] - half, *middles.tolist(), self.places[-1] + half]
        return [min(max(edge, 0.0), 1.0) for edge in edges]


def characters_of(recognizer: TextRecognizer, metadata: Mapping[str, str]) -> list[str]:
    """What each of the recognizer's values means; the first is the blank.

    Args:
        recognizer: whose description may list them.
        metadata: of its file, which may too.

    Raises:
        PreconditionError: neither does.
    """
    listed = recognizer.characters or metadata.get(_KEY, "").splitlines()
    if not listed:
        raise PreconditionError(
            f"{FILE} has no `recognizer.characters`, and `{recognizer.file}` no metadata `{_KEY}`",
            reason="unsupported_model",
        )
    return ["", *listed, *([" "] if recognizer.space else [])]


def read_text(
    best: NDArray[np.int32], probabilities: NDArray[np.float32], characters: Sequence[str], width: float
) -> ReadText:
    """The text of a line.

    Args:
        best: of each column, the place of the highest value.
        probabilities: of each column, that value.
        characters: what the values mean.
        width: of the line without its filling, in columns.
    """
    kept = np.ones(len(best), bool)
    kept[1:] = best[1:] != best[:-1]
    kept &= best != _BLANK
    scores = probabilities[kept]
    read = [characters[place] for place in best[kept]]
    places = np.minimum((np.flatnonzero(kept) + 0.5) / width, 1.0)
    return ReadText("".join(read), float(scores.mean()) if len(scores) else 0.0, read, scores, places)
