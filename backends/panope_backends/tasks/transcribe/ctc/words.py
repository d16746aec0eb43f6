"""Greedy decoding of CTC: the likeliest sign of each frame, repeats and blanks left out, gathered into words.

As transformers' `Wav2Vec2CTCTokenizer` decodes the frames of a whole file, though they come window after window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from panope_backends.tasks.transcribe.ctc.vocabulary import CtcVocabulary


@dataclass(slots=True)
class Word:
    """Signs between delimiters, with the delimiters before them; one sign for a model that has no delimiter.

    Attributes:
        signs: those of the model, each told once.
        token_ids: the same as ids.
        logprobs: of the first frame of each.
        start: the first frame of its first letter; -1 while it has none.
        end: the frame after its last letter.
    """

    signs: list[str] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    start: int = -1
    end: int = -1

    def add(self, number: int, sign: str, logprob: float) -> None:
        """Adds a sign."""
        self.token_ids.append(number)
        self.signs.append(sign)
        self.logprobs.append(logprob)


class GreedyWords:
    """Makes words of frames.

    Args:
        vocabulary: of the model.
    """

    def __init__(self, vocabulary: CtcVocabulary) -> None:
        self._vocabulary = vocabulary
        self._last = ""
        self._open = Word()

    def take(self, logits: NDArray[np.float32], begin: int) -> list[Word]:
        """The words that frames complete; the last one may go on in the next frames.

        Args:
            logits: frames × vocabulary.
            begin: the number of the first frame.
        """
        ids = logits.argmax(axis=1).tolist()
        logprobs = _greatest_logprobs(logits).tolist()
        done: list[Word] = []
        for frame, (number, sign, logprob) in enumerate(
            zip(ids, self._vocabulary.signs(ids), logprobs, strict=True), begin
        ):
            is_repeat, self._last = sign == self._last, sign
            if sign == self._vocabulary.blank:
                continue
            is_letter = sign != self._vocabulary.delimiter
            if not is_repeat:
                if self._open.start >= 0 and not (is_letter and self._vocabulary.delimiter):
                    done.append(self._open)
                    self._open = Word()
                self._open.add(number, sign, logprob)
            if is_letter:
                self._open.start = frame if self._open.start < 0 else self._open.start
                self._open.end = frame + 1
        return done

    def rest(self) -> list[Word]:
        """The word that the last frame has left open, if any."""
        last, self._open = self._open, Word()
        return [last] if last.start >= 0 else []


def phrases_of(words: Sequence[Word], pause: int) -> list[list[Word]]:
    """Words in groups, parted where so many frames or more have no letter."""
    groups: list[list[Word]] = []
    for word in words:
        if groups and word.start - groups[-1][-1].end < pause:
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def _greatest_logprobs(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The log-probability of the likeliest sign of each frame."""
    below = logits - logits.max(axis=1, keepdims=True)
    found: NDArray[np.float32] = -np.log(np.exp(below).sum(axis=1))
    return found
