"""What a model that classifies texts means by its values."""

from __future__ import annotations

from dataclasses import dataclass

from panope_backends.tasks.classify.functions import Function

_ENTAILS = "entail"


@dataclass(frozen=True)
class LabelScoring:
    """The labels of one model, and what makes scores of its values.

    Attributes:
        labels: by their ids.
        function: of the scores of labels.
        rerank_function: of one score for two texts.
    """

    labels: tuple[str, ...]
    function: Function
    rerank_function: Function

    @property
    def entailment(self) -> int | None:
        """The id of the label that says that the first text entails the second; None when there is none."""
        return next((i for i, label in enumerate(self.labels) if label.lower().startswith(_ENTAILS)), None)
