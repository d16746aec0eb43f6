"""Runs token sequences on a model of texts whose tasks read its own values: of each text, or of each token."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import TensorModel
from panope_backends.model_facts.text_graphs import text_shape
from panope_backends.tasks.embed.inputs import EncoderInputs, within_positions
from panope_backends.tasks.embed.running import run_whole
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer
from panope_backends.tasks.probing import PROBING_TEXTS
from panope_backends.tasks.task import Rows, SequenceTask, TokenRow

#: Of the short text that tries a model.
TRIAL_TOKENS = 8


class TextRows(SequenceTask):
    """One loaded model.

    Args:
        config: its config.json.
        tokenizer: of the model.
        model: to run.
        outputs: that are read.
        max_tokens: of one text, or of texts that are read together, special tokens included.

    Attributes:
        max_tokens: that the model takes.
        vocabulary_size: ids are below it.

    Raises:
        PreconditionError: the model takes something else than texts give.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        tokenizer: TextTokenizer,
        model: TensorModel,
        outputs: Sequence[str],
        *,
        max_tokens: int,
    ) -> None:
        self._tokenizer = tokenizer
        self._model = model
        self._outputs = tuple(outputs)
        shape = text_shape(model.inputs)
        stated = within_positions(model, max_tokens)
        self.max_tokens = min(stated, shape.length or stated)
        self._batch = shape.batch
        self._inputs = EncoderInputs(model, tokenizer, self.max_tokens)
        self.vocabulary_size = (
            self._inputs.vocabulary_size or int(config.get("vocab_size") or 0) or tokenizer.vocabulary_size
        )

    @property
    def row_width(self) -> int:
        """As many values as a text's tokens have, unless a subclass says otherwise."""
        return 0

    @abstractmethod
    def run(self, sequences: Sequence[TokenRow]) -> Rows:
        """Runs one batch."""

    def values(self, sequences: Sequence[TokenRow]) -> tuple[list[Rows], NDArray[np.bool_]]:
        """Each output of the whole batch in float32, and which of its tokens are no padding."""
        arrays, attended = self._inputs.build(sequences)
        return run_whole(self._model, arrays, self._outputs, self._batch), attended.astype(bool)

    def pad_alone(self, wanted: bool) -> None:
        """As `EncoderInputs` pads."""
        self._inputs.round_widths = wanted

    def sample(self, tokens: int) -> TokenRow:
        """Texts of many scripts, over and over."""
        (ids,) = self._tokenizer.encode([" ".join(PROBING_TEXTS) * (1 + tokens // len(PROBING_TEXTS))])
        limit = min(tokens, self.max_tokens)
        return TokenRow(ids if len(ids) <= limit else self._tokenizer.truncate(ids, limit, "end"))
