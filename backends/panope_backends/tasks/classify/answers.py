"""The answers that are made of a classifier's values, whoever computed them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.tasks.classify.functions import Function, best_of, scores_of
from panope_backends.tasks.task import Rows


class Answer(ABC):
    """What a request asks for."""

    @abstractmethod
    def message(self, values: Rows, token_counts: Sequence[int], truncated: Sequence[int]) -> bytes:
        """The task's message to the server.

        Args:
            values: of the model's labels, a row for each text, or pair of texts, that was run.
            token_counts: of the same.
            truncated: those that were cut, by their positions among them, ascending.
        """


@dataclass(frozen=True, slots=True)
class LabelsAnswer(Answer):
    """The labels of texts, the highest scores first; of equal ones the label with the lower id.

    Attributes:
        labels: of the model.
        function: that makes scores of its values.
        top_k: how many labels to tell of each text.
        first_index: the position in the call of the first text.
    """

    labels: Sequence[str]
    function: Function
    top_k: int
    first_index: int

    def message(self, values: Rows, token_counts: Sequence[int], truncated: Sequence[int]) -> bytes:
        """One text a row."""
        order, scores = best_of(values, self.function, self.top_k)
        message = messages.ClassifyOutput(
            labels=self.labels,
            top_k=self.top_k,
            label_ids=order.ravel().tolist(),
            scores=scores.ravel().tolist(),
            token_counts=token_counts,
            truncated_indices=[self.first_index + index for index in truncated],
        )
        return message.SerializeToString()


@dataclass(frozen=True, slots=True)
class ScoresAnswer(Answer):
    """The scores of documents.

    Attributes:
        function: that makes scores of the model's values.
        first_index: the position in the call of the first document.
    """

    function: Function
    first_index: int

    def message(self, values: Rows, token_counts: Sequence[int], truncated: Sequence[int]) -> bytes:
        """One document a row."""
        message = messages.RerankOutput(
            scores=scores_of(values, self.function)[:, 0].tolist(),
            token_counts=token_counts,
            truncated_indices=[self.first_index + index for index in truncated],
        )
        return message.SerializeToString()


@dataclass(frozen=True, slots=True)
class EntailmentAnswer(Answer):
    """The scores of labels that the request brings, by what entails what.

    Attributes:
        label_count: how many labels there are.
        entailment: the id of the model's label that says so.
        multi_label: whether each label has a score of its own.
        first_index: the position in the call of the first text.
    """

    label_count: int
    entailment: int
    multi_label: bool
    first_index: int

    def message(self, values: Rows, token_counts: Sequence[int], truncated: Sequence[int]) -> bytes:
        """A row for each label of each text; as transformers' pipeline: against contradiction, or the other labels."""
        rows = values.reshape(-1, self.label_count, values.shape[1])
        if self.multi_label or self.label_count == 1:
            other = -1 if self.entailment == 0 else 0
            scores = scores_of(rows[..., [other, self.entailment]], "softmax")[..., 1]
        else:
            scores = scores_of(rows[..., self.entailment], "softmax")
        message = messages.ZeroShotOutput(
            scores=scores.ravel().tolist(),
            token_counts=np.array(token_counts).reshape(-1, self.label_count).sum(axis=1).tolist(),
            truncated_indices=sorted({self.first_index + index // self.label_count for index in truncated}),
        )
        return message.SerializeToString()
