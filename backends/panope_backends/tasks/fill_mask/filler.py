"""Runs a model that tells of each token how well each token of the vocabulary would stand there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from panope_backends.api import TensorModel
from panope_backends.errors import InternalError, PreconditionError
from panope_backends.model_facts.text_graphs import logits_output
from panope_backends.tasks.embed.files.embed_files import EmbedFiles
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer
from panope_backends.tasks.ragged import ragged
from panope_backends.tasks.task import Rows, TokenRow
from panope_backends.tasks.text_rows import TRIAL_TOKENS, TextRows


class Filler(TextRows):
    """One loaded model; the rows of a text are masks × vocabulary.

    Args:
        files: what the model's folder says.
        tokenizer: of the model.
        model: to run.
        max_tokens: that it takes.

    Attributes:
        mask_id: the id of its mask.

    Raises:
        PreconditionError: the model takes or gives something else, or its tokenizer has no mask.
    """

    def __init__(self, files: EmbedFiles, tokenizer: TextTokenizer, model: TensorModel, *, max_tokens: int) -> None:
        output = logits_output(model.outputs, 3)
        super().__init__(files.config, tokenizer, model, (output,), max_tokens=max_tokens)
        if tokenizer.mask_id is None:
            raise PreconditionError("the model's tokenizer has no token for what is masked (`mask_token`)")
        self.mask_id = tokenizer.mask_id

    def run(self, sequences: Sequence[TokenRow]) -> Rows:
        """The model's own values at the masks; those of all tokens would be a hundred times as many."""
        (values,), real = self.values(sequences)
        return ragged(
            [
                row[mask][np.asarray(sequence.ids) == self.mask_id]
                for row, mask, sequence in zip(values, real, sequences, strict=True)
            ]
        )

    def sample(self, tokens: int) -> TokenRow:
        """As of any text, with a mask in it."""
        ids = list(super().sample(tokens).ids)
        ids[min(1, len(ids) - 1)] = self.mask_id
        return TokenRow(ids)

    def trial(self) -> None:
        """Fills the mask of a short text."""
        (row,) = self.run([self.sample(TRIAL_TOKENS)])
        if row.shape[-1] < self.mask_id:
            raise PreconditionError(f"the model gives {row.shape[-1]:,} values for each token, not one for each word")
        if not np.isfinite(row).all():
            raise InternalError("the trial run of the model gave values that are not finite")
