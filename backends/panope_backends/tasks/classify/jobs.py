"""Requests to classifiers whose texts are tokens, and what makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from panope_backends.tasks.classify.answers import Answer
from panope_backends.tasks.classify.sequences import Name, SequenceMaker, Sequences
from panope_backends.tasks.task import Job, Rows, SequenceJob, TokenRow


class JobMaker(Protocol):
    """Has texts run, and an answer made of their values."""

    def singles(self, texts: Sequence[str], truncation: str, first_index: int, answer: Answer) -> Job:
        """Of one text each.

        Args:
            texts: at least one.
            truncation: `refuse`, `end` or `start`.
            first_index: the position in the call of the first text.
            answer: that is made of the values.

        Raises:
            InvalidInputError: names the field and the limit.
        """

    def pairs(
        self,
        first: Sequence[str],
        second: Sequence[str],
        truncation: str,
        name: Name,
        answer: Answer,
        *,
        first_alone: bool = False,
    ) -> Job:
        """Of two texts each.

        Args:
            first: texts.
            second: as many.
            truncation: as above; the longer text loses first.
            name: of the field that is told, by the position in `first`.
            answer: as above.
            first_alone: whether the second texts stay whole.

        Raises:
            InvalidInputError: names the field and the limit.
        """


@dataclass(slots=True)
class ClassifyJob(SequenceJob):
    """Texts, or pairs of texts, as tokens."""

    sequences: Sequence[TokenRow]
    truncated: list[int]
    made: Answer

    def answer(self, rows: Rows) -> bytes:
        """What the request asks for."""
        return self.made.message(rows, [len(sequence.ids) for sequence in self.sequences], self.truncated)


class SequenceJobs:
    """Makes jobs for a model that takes tokens.

    Args:
        sequences: makes tokens of texts.
    """

    def __init__(self, sequences: SequenceMaker) -> None:
        self._sequences = sequences

    def singles(self, texts: Sequence[str], truncation: str, first_index: int, answer: Answer) -> Job:
        """Of one text each."""
        return _job(self._sequences.singles(texts, truncation, first_index), answer)

    def pairs(
        self,
        first: Sequence[str],
        second: Sequence[str],
        truncation: str,
        name: Name,
        answer: Answer,
        *,
        first_alone: bool = False,
    ) -> Job:
        """Of two texts each."""
        return _job(self._sequences.pairs(first, second, truncation, name, first_alone=first_alone), answer)


def _job(found: Sequences, answer: Answer) -> Job:
    return ClassifyJob(found.rows, found.truncated, answer)
