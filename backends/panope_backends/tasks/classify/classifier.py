"""Runs a classifier: a row of values for each text, or for each token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from panope_backends.api import TensorModel
from panope_backends.errors import InternalError, PreconditionError
from panope_backends.tasks.classify.files import ClassifyFiles
from panope_backends.tasks.embed.inputs import EncoderInputs, within_positions
from panope_backends.tasks.embed.running import run_whole
from panope_backends.tasks.embed.tokenizer import TextTokenizer
from panope_backends.tasks.probing import PROBING_TEXTS
from panope_backends.tasks.task import Rows, SequenceTask, TokenRow
from panope_backends.text_graphs import logits_output, text_shape

TRIAL_TOKENS = 8


class Classifier(SequenceTask):
    """One loaded model with its labels.

    Args:
        files: what the model's folder says.
        tokenizer: of the model.
        model: to run.
        max_tokens: of one text, or of two, special tokens included.
        per_token: whether each token has a row: tokens × labels for each text, padding left out.

    Attributes:
        max_tokens: that the model takes.
        vocabulary_size: ids are below it.

    Raises:
        PreconditionError: the model takes or gives something else.
    """

    def __init__(
        self, files: ClassifyFiles, tokenizer: TextTokenizer, model: TensorModel, *, max_tokens: int, per_token: bool
    ) -> None:
        self._files = files
        self._tokenizer = tokenizer
        self._model = model
        self._per_token = per_token
        self._output = logits_output(model.outputs, 3 if per_token else 2)
        shape = text_shape(model.inputs)
        stated = within_positions(model, max_tokens)
        self.max_tokens = min(stated, shape.length or stated)
        self._batch = shape.batch
        self._inputs = EncoderInputs(model, tokenizer, self.max_tokens)
        self.vocabulary_size = (
            self._inputs.vocabulary_size or int(files.config.get("vocab_size") or 0) or tokenizer.vocabulary_size
        )

    @property
    def row_width(self) -> int:
        """The labels; 0 where each token has them."""
        return 0 if self._per_token else len(self._files.labels)

    def run(self, sequences: Sequence[TokenRow]) -> Rows:
        """The model's own values."""
        arrays, attended = self._inputs.build(sequences)
        values = run_whole(self._model, arrays, self._output, self._batch)
        if not self._per_token:
            return values
        rows = np.empty(len(sequences), object)
        for index, (row, mask) in enumerate(zip(values, attended, strict=True)):
            rows[index] = row[mask.astype(bool)]
        return rows

    def pad_alone(self, wanted: bool) -> None:
        """As `EncoderInputs` pads."""
        self._inputs.round_widths = wanted

    def sample(self, tokens: int) -> TokenRow:
        """Texts of many scripts, over and over."""
        (ids,) = self._tokenizer.encode([" ".join(PROBING_TEXTS) * (1 + tokens // len(PROBING_TEXTS))])
        limit = min(tokens, self.max_tokens)
        return TokenRow(ids if len(ids) <= limit else self._tokenizer.truncate(ids, limit, "end"))

    def trial(self) -> None:
        """Runs a short text and counts its labels."""
        (row,) = self.run([self.sample(TRIAL_TOKENS)])
        labels = len(self._files.labels)
        if row.shape[-1] != labels:
            raise PreconditionError(f"the model gives {row.shape[-1]:,} values; config.json names {labels:,} labels")
        if not np.isfinite(row).all():
            raise InternalError("the trial run of the model gave values that are not finite")
