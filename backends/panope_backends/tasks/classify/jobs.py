"""Requests to classifiers: what to run, and the answers that are made of the values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.tasks.classify.functions import Function, scores_of
from panope_backends.tasks.task import Rows, SequenceJob, TokenRow


@dataclass(slots=True)
class ClassifyJob(SequenceJob):
    """The labels of texts."""

    sequences: Sequence[TokenRow]
    truncated: list[int]
    labels: Sequence[str]
    function: Function
    top_k: int

    def answer(self, rows: Rows) -> bytes:
        """The highest scores first; of equal ones the label with the lower id."""
        scores = scores_of(rows, self.function)
        order = np.argsort(-scores, axis=1, kind="stable")[:, : self.top_k]
        message = messages.ClassifyOutput(
            labels=self.labels,
            top_k=self.top_k,
            label_ids=order.ravel().tolist(),
            scores=np.take_along_axis(scores, order, axis=1).ravel().tolist(),
            token_counts=[len(sequence.ids) for sequence in self.sequences],
            truncated_indices=self.truncated,
        )
        return message.SerializeToString()


@dataclass(slots=True)
class RerankJob(SequenceJob):
    """The scores of documents."""

    sequences: Sequence[TokenRow]
    truncated: list[int]
    function: Function

    def answer(self, rows: Rows) -> bytes:
        """One score a document."""
        message = messages.RerankOutput(
            scores=scores_of(rows, self.function)[:, 0].tolist(),
            token_counts=[len(sequence.ids) for sequence in self.sequences],
            truncated_indices=self.truncated,
        )
        return message.SerializeToString()


@dataclass(slots=True)
class ZeroShotJob(SequenceJob):
    """The scores of labels that the request brings, by what entails what.

    Attributes:
        sequences: for each text one with each label.
        label_count: how many labels there are.
        entailment: the id of the model's label that says so.
        multi_label: whether each label has a score of its own.
    """

    sequences: Sequence[TokenRow]
    truncated: list[int]
    label_count: int
    entailment: int
    multi_label: bool

    def answer(self, rows: Rows) -> bytes:
        """As transformers' pipeline: entailment against contradiction, or against the other labels."""
        values = rows.reshape(-1, self.label_count, rows.shape[1])
        if self.multi_label or self.label_count == 1:
            other = -1 if self.entailment == 0 else 0
            scores = scores_of(values[..., [other, self.entailment]], "softmax")[..., 1]
        else:
            scores = scores_of(values[..., self.entailment], "softmax")
        counts = np.array([len(sequence.ids) for sequence in self.sequences]).reshape(-1, self.label_count)
        message = messages.ZeroShotOutput(
            scores=scores.ravel().tolist(),
            token_counts=counts.sum(axis=1).tolist(),
            truncated_indices=self.truncated,
        )
        return message.SerializeToString()
