"""Runs a model that gives each token two values: of starting an answer, and of ending one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from panope_backends.api import TensorModel
from panope_backends.errors import InternalError, PreconditionError
from panope_backends.model_facts.text_graphs import span_outputs
from panope_backends.tasks.embed.files.embed_files import EmbedFiles
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer
from panope_backends.tasks.ragged import ragged
from panope_backends.tasks.task import Rows, TokenRow
from panope_backends.tasks.text_rows import TRIAL_TOKENS, TextRows


class Reader(TextRows):
    """One loaded model; the rows of a text are tokens × 2, padding left out.

    Args:
        files: what the model's folder says.
        tokenizer: of the model.
        model: to run.
        max_tokens: that it takes.

    Raises:
        PreconditionError: the model takes or gives something else.
    """

    def __init__(self, files: EmbedFiles, tokenizer: TextTokenizer, model: TensorModel, *, max_tokens: int) -> None:
        outputs = span_outputs(model.outputs)
        super().__init__(files.config, tokenizer, model, outputs, max_tokens=max_tokens)

    def run(self, sequences: Sequence[TokenRow]) -> Rows:
        """The model's own values."""
        found, real = self.values(sequences)
        # Models exported elsewhere give starts and ends apart.
        values = found[0] if len(found) == 1 else np.stack(found, axis=-1)
        return ragged([row[mask] for row, mask in zip(values, real, strict=True)])

    def trial(self) -> None:
        """Runs a short text."""
        (row,) = self.run([self.sample(TRIAL_TOKENS)])
        if row.shape[-1] != 2:
            raise PreconditionError(f"the model gives {row.shape[-1]:,} values for each token, not a start and an end")
        if not np.isfinite(row).all():
            raise InternalError("the trial run of the model gave values that are not finite")
