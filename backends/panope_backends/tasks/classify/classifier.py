"""Runs a classifier: a row of values for each text, or for each token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from panope_backends.api import TensorModel
from panope_backends.errors import InternalError, PreconditionError
from panope_backends.model_facts.text_graphs import logits_output
from panope_backends.tasks.classify.files import ClassifyFiles
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer
from panope_backends.tasks.ragged import ragged
from panope_backends.tasks.task import Rows, TokenRow
from panope_backends.tasks.text_rows import TRIAL_TOKENS, TextRows


class Classifier(TextRows):
    """One loaded model with its labels.

    Args:
        files: what the model's folder says.
        tokenizer: of the model.
        model: to run.
        max_tokens: of one text, or of two, special tokens included.
        per_token: whether each token has a row: tokens × labels for each text, padding left out.

    Raises:
        PreconditionError: the model takes or gives something else.
    """

    def __init__(
        self, files: ClassifyFiles, tokenizer: TextTokenizer, model: TensorModel, *, max_tokens: int, per_token: bool
    ) -> None:
        self._files = files
        self._per_token = per_token
        output = logits_output(model.outputs, 3 if per_token else 2)
        super().__init__(files.config, tokenizer, model, (output,), max_tokens=max_tokens)

    @property
    def row_width(self) -> int:
        """The labels; 0 where each token has them."""
        return 0 if self._per_token else len(self._files.labels)

    def run(self, sequences: Sequence[TokenRow]) -> Rows:
        """The model's own values."""
        (values,), real = self.values(sequences)
        return ragged([row[mask] for row, mask in zip(values, real, strict=True)]) if self._per_token else values

    def trial(self) -> None:
        """Runs a short text and counts its labels."""
        (row,) = self.run([self.sample(TRIAL_TOKENS)])
        labels = len(self._files.labels)
        if row.shape[-1] != labels:
            raise PreconditionError(f"the model gives {row.shape[-1]:,} values; config.json names {labels:,} labels")
        if not np.isfinite(row).all():
            raise InternalError("the trial run of the model gave values that are not finite")
