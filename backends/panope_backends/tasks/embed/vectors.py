"""From a batch of tokens to one vector for each text: by pooling what the model gives, or as its graph finished them.

A graph may hold sentence-transformers' later modules too and give finished vectors. Where it also gives token vectors,
a trial tells whether pooling them as the model's files say comes to the same: then they are pooled, which can leave
prompts out and lengths as they are. Where it does not, the graph's own vectors count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from panope_backends.api import Arrays, TensorModel
from panope_backends.errors import InternalError, PreconditionError
from panope_backends.model_facts.text_graphs import TextOutputs, layers_output, sparse_output, text_outputs, text_shape
from panope_backends.tasks.embed.files.embed_files import EmbedFiles
from panope_backends.tasks.embed.head import load_head, load_token_steps, normalize
from panope_backends.tasks.embed.pooling import pool
from panope_backends.tasks.embed.running import run_whole
from panope_backends.tasks.embed.word_steps import Words, WordWeightsStep
from panope_backends.tasks.task import Rows, TokenRow

#: Vectors of one text that are this alike are the same; a quantized graph rounds each way on its own.
_SAME_COSINE = 0.999

_LENGTH_TOLERANCE = 1e-2

#: Values of the vocabulary that a run may have for all of its tokens: 128 MiB in float32.
_MOST_VALUES = 1 << 25


class TextVectors:
    """Computes vectors with one loaded model.

    Args:
        files: what the model's folder says.
        model: that is loaded.
        pickles: whether an admin lets pickled weights of the steps be opened.

    Attributes:
        unit_length: whether the graph itself scales vectors to length 1; known after `choose`.
        weighed: the words that a step has weights for; 0 where none weighs them.

    Raises:
        PreconditionError: no output of the model embeds texts, or a step after it is not to be had.
    """

    def __init__(self, files: EmbedFiles, model: TensorModel, *, pickles: bool = False) -> None:
        self._files = files
        self._model = model
        self._outputs = _outputs(files, model)
        if files.is_auto_encoded and not (self._outputs.tokens or files.table):
            raise PreconditionError(
                "the graph gives no vectors of tokens, and which of the model's modules it holds is not told; a "
                "SparseAutoEncoder is run after those of tokens are pooled"
            )
        self._batch = text_shape(model.inputs).batch
        self._token_steps = load_token_steps(files.token_steps, pickles=pickles)
        weighing = (step for step in self._token_steps if isinstance(step, WordWeightsStep))
        self.weighed = min((step.vocabulary for step in weighing), default=0)
        self._head = load_head(files.head, pickles=pickles)
        self._pools = bool(self._outputs.tokens)
        self.unit_length = False
        self._vocabulary = max((spec.shape[-1] for spec in model.outputs), default=0)

    def of(self, arrays: Arrays, attended: Rows, sequences: Sequence[TokenRow]) -> Rows:
        """One vector for each text.

        Args:
            arrays: the model's inputs.
            attended: 1 for tokens of a text, 0 for padding.
            sequences: what the arrays were made of.
        """
        if self._pools:
            return self._pooled(arrays, attended, sequences)
        rows = self._finished(arrays)
        return self._after(rows) if self._files.table or self._files.towers else rows

    @property
    def gives_tokens(self) -> bool:
        """Whether the model gives vectors of tokens."""
        return bool(self._outputs.tokens)

    def of_tokens(self, arrays: Arrays, words: Words) -> Rows:
        """The vectors of all tokens, after the steps for them: texts × tokens × values.

        Args:
            arrays: the model's inputs.
            words: of the texts; the steps may set their weights.
        """
        hidden = self._run(arrays, self._outputs.tokens)
        for step in self._token_steps:
            hidden = step(hidden, words)
        return hidden

    def choose(self, arrays: Arrays, attended: Rows, sequences: Sequence[TokenRow]) -> None:
        """Decides by a trial which of two outputs counts.

        Raises:
            PreconditionError: the graph's own vectors count, and the model's files ask for what they cannot give.
        """
        if not self._outputs.sentence or self._files.is_sparse or self._files.table:
            return
        finished = self._finished(arrays)
        if self._pools:
            pooled = self._pooled(arrays, attended, sequences)
            self._pools = pooled.shape == finished.shape and _alike(pooled, finished)
        if self._pools:
            return
        if not self._files.pool_prompt and any(self._files.prompts.values()):
            raise PreconditionError(
                f"the graph pools by itself (`{self._outputs.sentence}`) and cannot leave prompts out, as "
                "`include_prompt` of the Pooling module asks"
            )
        lengths = np.linalg.norm(finished, axis=1)
        self.unit_length = not (self._files.towers and self._head) and bool(
            np.abs(lengths - 1).max() < _LENGTH_TOLERANCE
        )

    def _pooled(self, arrays: Arrays, attended: Rows, sequences: Sequence[TokenRow]) -> Rows:
        words = Words(arrays["input_ids"], attended)
        hidden = self.of_tokens(arrays, words)
        self._refuse_other_tokens(hidden, attended)
        vectors = pool(
            hidden,
            attended,
            attended if self._files.pool_prompt else _without_prompts(attended, sequences),
            self._files.pooling_modes,
            words.weight_sums,
        )
        return self._after(vectors)

    def _refuse_other_tokens(self, hidden: Rows, attended: Rows) -> None:
        """Refuses vectors of other tokens than the texts have; for the first alone, some models have fewer."""
        if hidden.shape[1] == attended.shape[1] or set(self._files.pooling_modes) == {"cls"}:
            return
        raise InternalError(
            f"the model gives vectors of {hidden.shape[1]} tokens for texts of {attended.shape[1]}",
            reason="wrong_answer",
        )

    def _after(self, vectors: Rows) -> Rows:
        for step in self._head:
            vectors = step(vectors)
        return vectors

    def _finished(self, arrays: Arrays) -> Rows:
        batch = self._batch
        if (self._files.is_sparse or self._files.table) and not batch:
            # An engine holds a value of each word of the vocabulary for each token.
            size = arrays["input_ids"].shape[1] * self._vocabulary
            batch = max(1, min(len(arrays["input_ids"]), _MOST_VALUES // max(1, size)))
        (rows,) = run_whole(self._model, arrays, (self._outputs.sentence,), batch)
        return rows

    def _run(self, arrays: Arrays, output: str) -> Rows:
        (rows,) = run_whole(self._model, arrays, (output,), self._batch)
        return rows


def _outputs(files: EmbedFiles, model: TensorModel) -> TextOutputs:
    if files.model_head:
        return TextOutputs("", sparse_output(model.outputs))
    if files.layers is not None:
        return TextOutputs(layers_output(model.outputs), "")
    return text_outputs(model.outputs, files.config)


def _alike(one: Rows, other: Rows) -> bool:
    cosines = np.einsum("ij,ij->i", normalize(one), normalize(other))
    return bool(cosines.min() >= _SAME_COSINE)


def _without_prompts(attended: Rows, sequences: Sequence[TokenRow]) -> Rows:
    """The attention mask with the prompt's tokens set to 0, wherever padding puts them."""
    positions = attended.cumsum(axis=1)  # from 1 at a text's first token
    prompt_tokens = np.array([sequence.prompt_tokens for sequence in sequences], dtype=np.float32)
    return attended * (positions > prompt_tokens[:, None])
