"""The embed task: texts or token ids to one vector each, as the model's own files say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from panope.worker.v1 import embed_pb2 as messages
from panope_backends.api import TensorModel
from panope_backends.errors import Field, InternalError, InvalidInputError, PreconditionError
from panope_backends.model_facts.text_graphs import text_shape
from panope_backends.model_facts.word_tables import SPARSE_STATIC
from panope_backends.tasks.embed.files.embed_files import EmbedFiles
from panope_backends.tasks.embed.head import normalize
from panope_backends.tasks.embed.inputs import EncoderInputs, within_positions
from panope_backends.tasks.embed.tokenizers.kinds import SequenceTokenizer
from panope_backends.tasks.embed.tokenizers.tokenizer import check_ids
from panope_backends.tasks.embed.tokenizers.tokenizing import tokenize
from panope_backends.tasks.embed.vectors import TextVectors
from panope_backends.tasks.probing import PROBING_TEXTS
from panope_backends.tasks.task import Rows, SequenceJob, SequenceTask, TokenRow

TRUNCATIONS = ("refuse", "end", "start")

TRIAL_TOKENS = 8

_NEEDS_TEXTS = "{field} needs {texts}; token ids are run as they are given"


@dataclass(slots=True, frozen=True)
class Prompt:
    """A text that goes before texts, and the ids it takes there."""

    text: str
    tokens: int


NO_PROMPT = Prompt("", 0)


def counts(sequences: Sequence[TokenRow]) -> list[int]:
    """The tokens of each text; that which stands for none is not counted."""
    return [len(sequence.ids) - sequence.unseen for sequence in sequences]


@dataclass(slots=True)
class EmbedJob(SequenceJob):
    """One request: what to run and what to make of the vectors.

    Attributes:
        sequences: the texts.
        truncated: which of them were cut.
        dimensions: the leading values to keep.
        normalize: whether vectors are scaled to length 1 when they were cut.
        by_module: whether the model's own Normalize does it, before they are.
    """

    sequences: Sequence[TokenRow]
    truncated: list[int]
    dimensions: int
    normalize: bool
    by_module: bool = False

    def answer(self, rows: Rows) -> bytes:
        """Keeps the leading values."""
        vectors = (normalize(rows) if self.by_module else rows)[:, : self.dimensions]
        if self.normalize:
            vectors = normalize(vectors)
        message = messages.EmbedOutput(
            vectors=vectors.astype("<f4", copy=False).tobytes(),
            dimensions=self.dimensions,
            token_counts=counts(self.sequences),
            truncated_indices=self.truncated,
        )
        return message.SerializeToString()


@dataclass(slots=True)
class SparseJob(SequenceJob):
    """One request to a sparse encoder."""

    sequences: Sequence[TokenRow]
    truncated: list[int]
    most: int | None

    def answer(self, rows: Rows) -> bytes:
        """Keeps what is not 0, of that the largest where a number is stated."""
        message = messages.EmbedOutput(
            dimensions=rows.shape[1],
            token_counts=counts(self.sequences),
            truncated_indices=self.truncated,
        )
        for row in rows:
            (indices,) = np.nonzero(row)
            if self.most is not None and len(indices) > self.most:
                largest = np.argpartition(-np.abs(row[indices]), self.most - 1)[: self.most]
                indices = indices[np.sort(largest)]
            message.sparse_counts.append(len(indices))
            message.sparse_indices.extend(indices.tolist())
            message.sparse_values.extend(row[indices].tolist())
        return message.SerializeToString()


#: What texts may be for, and the names of prompts for it, as sentence-transformers looks for them.
PROMPTS: Mapping[str, Sequence[str]] = {"query": ("query",), "document": ("document", "passage", "corpus")}


class EmbedSequenceTask(SequenceTask):
    """Embeds with one loaded model.

    Args:
        files: what the model's folder says.
        tokenizer: of the model.
        model: that is loaded.
        max_tokens: of one text, special tokens included.
        pickles: whether an admin lets pickled weights of the steps after the model be opened.

    Raises:
        PreconditionError: the model's files ask for what Panope cannot do.
    """

    def __init__(
        self,
        files: EmbedFiles,
        tokenizer: SequenceTokenizer,
        model: TensorModel,
        *,
        max_tokens: int,
        pickles: bool = False,
    ) -> None:
        self._files = files
        self._tokenizer = tokenizer
        self._vectors = TextVectors(files, model, pickles=pickles)
        stated = within_positions(model, max_tokens)
        self._max_tokens = min(stated, text_shape(model.inputs).length or stated)
        self._inputs = EncoderInputs(model, tokenizer, self._max_tokens)
        self._vocabulary_size = (
            self._inputs.vocabulary_size or int(files.config.get("vocab_size") or 0) or tokenizer.vocabulary_size
        )
        self._check_vocabulary()
        self._vocabulary_size = min(self._vocabulary_size, self._vectors.weighed or self._vocabulary_size)
        self._prompts = {name: self._prompt(name, text) for name, text in files.prompts.items()}
        self._width = 0

    def _check_vocabulary(self) -> None:
        """A list of words names its own ids, so each must have a row, and a weight where words are weighed.

        Of a list of tokens' weights the library asks that it has as many as the tokenizer.
        """
        size = self._tokenizer.vocabulary_size
        if self._files.table == SPARSE_STATIC and size != self._vocabulary_size:
            raise PreconditionError(
                f"the module {SPARSE_STATIC} has {self._vocabulary_size:,} weights, and its tokenizer {size:,} tokens"
            )
        rows = (self._vocabulary_size, self._vectors.weighed or self._vocabulary_size)
        if self._files.words is not None and self._tokenizer.highest_id >= min(rows):
            what = "WordWeights" if min(rows) < self._vocabulary_size else self._files.table
            raise PreconditionError(
                f"{self._files.words.path.name} lists {self._tokenizer.vocabulary_size:,} words, and the module {what} "
                f"has {min(rows):,}"
            )

    @property
    def row_width(self) -> int:
        """The dimensions of the model."""
        return self._width

    @property
    def facts(self) -> messages.EmbedFacts:
        """What the model takes and gives; known after `trial`."""
        return messages.EmbedFacts(
            dimensions=self._default_dimensions,
            max_tokens=self._max_tokens,
            prompt_names=sorted(self._prompts),
            pooling=self._files.pooling,
            normalize=(self._files.normalize or self._vectors.unit_length) and self._default_dimensions == self._width,
        )

    def prepare(self, data: bytes) -> EmbedJob | SparseJob:
        """Makes tokens of the texts and checks what was asked.

        Raises:
            InvalidInputError: names the field, the value and the limit.
        """
        message = messages.EmbedInput.FromString(data)
        if message.truncation not in TRUNCATIONS:
            raise InvalidInputError.at("truncation", "{field} must be one of {known}", known=", ".join(TRUNCATIONS))
        if self._files.is_sparse:
            _refuse_of_sparse(message)
        dimensions = self._dimensions(message)
        prompt = self._requested_prompt(message)
        if message.token_sequences:
            name, rows = "token_sequences", self._given_ids(message)
        else:
            name, rows = "texts", self._tokenize(message, prompt)
        sequences, truncated = self._fit(rows, name, message, prompt)
        if self._files.is_sparse:
            return SparseJob(sequences, truncated, self._files.max_active_dims)
        if message.HasField("normalize") and not message.normalize and self._vectors.unit_length:
            raise InvalidInputError("the model's graph itself scales vectors to length 1", field="normalize")
        if message.HasField("normalize"):
            return EmbedJob(sequences, truncated, dimensions, message.normalize)
        # What a caller cuts is scaled again; what the model's files cut is as in the library.
        by_module = self._files.normalize and not message.HasField("dimensions")
        return EmbedJob(sequences, truncated, dimensions, self._files.normalize and not by_module, by_module)

    def run(self, sequences: Sequence[TokenRow]) -> Rows:
        """Runs one batch: tensors, pooling, and the steps after it."""
        arrays, attended = self._inputs.build(sequences)
        return self._vectors.of(arrays, attended, sequences)

    def pad_alone(self, wanted: bool) -> None:
        """As `EncoderInputs` pads."""
        self._inputs.round_widths = wanted

    def sample(self, tokens: int) -> TokenRow:
        """Texts of many scripts, over and over."""
        (ids,) = self._tokenizer.encode([" ".join(PROBING_TEXTS) * (1 + tokens // len(PROBING_TEXTS))])
        limit = min(tokens, self._max_tokens)
        if self._files.table:  # which may know none of their words
            ids = [*ids, *(at % self._vocabulary_size for at in range(limit))]
        return TokenRow(ids if len(ids) <= limit else self._tokenizer.truncate(ids, limit, "end"))

    def trial(self) -> None:
        """Embeds a short text and takes the model's dimensions from the answer."""
        sample = [self.sample(TRIAL_TOKENS)]
        self._vectors.choose(*self._inputs.build(sample), sample)
        rows = self.run(sample)
        if rows.shape[0] != 1 or not np.isfinite(rows).all():
            raise InternalError("the trial run of the model gave values that are not finite")
        self._width = rows.shape[1]
        if self._default_dimensions > self._width:
            raise PreconditionError(
                f"config_sentence_transformers.json has truncate_dim {self._default_dimensions}; "
                f"the model has {self._width} dimensions"
            )

    @property
    def _default_dimensions(self) -> int:
        return self._files.default_dimensions or self._width

    def _dimensions(self, message: messages.EmbedInput) -> int:
        if not message.HasField("dimensions"):
            return self._default_dimensions
        if not 1 <= message.dimensions <= self._width:
            raise InvalidInputError.at(
                "dimensions",
                "{field} is {value:,}; the model has 1 to {limit:,}",
                value=message.dimensions,
                limit=self._width,
            )
        return message.dimensions

    def _prompt(self, name: str, text: str) -> Prompt:
        if not text:
            return NO_PROMPT
        tokens = self._tokenizer.prompt_tokens(text)
        if tokens >= self._max_tokens:
            raise PreconditionError(
                f"the prompt `{name}` has {tokens:,} tokens; the model takes {self._max_tokens:,} with the text"
            )
        return Prompt(text, tokens)

    def _requested_prompt(self, message: messages.EmbedInput) -> Prompt:
        if message.HasField("prompt_name"):
            if message.token_sequences:
                raise InvalidInputError.at("prompt_name", _NEEDS_TEXTS, texts=Field("texts"))
            prompt = self._prompts.get(message.prompt_name)
            if prompt is None:
                known = ", ".join(f"`{name}`" for name in sorted(self._prompts)) or "none"
                raise InvalidInputError(
                    f"the model has no prompt `{message.prompt_name}`; it has {known}", field="prompt_name"
                )
            return prompt
        if message.purpose:
            if message.token_sequences:
                raise InvalidInputError.at("purpose", _NEEDS_TEXTS, texts=Field("texts"))
            fitting = next((name for name in PROMPTS[message.purpose] if name in self._prompts), None)
            if fitting is not None:
                return self._prompts[fitting]
        default = self._files.default_prompt_name
        return NO_PROMPT if default is None or message.token_sequences else self._prompts[default]

    def _tokenize(self, message: messages.EmbedInput, prompt: Prompt, limit: int = 0) -> list[list[int]]:
        if not message.texts:
            raise InvalidInputError.at("texts", "{field} is empty; give at least one")
        rows = tokenize(
            self._tokenizer.encode,
            message.texts,
            prompt.text,
            max_tokens=limit or self._max_tokens,
            truncation=message.truncation,
            first_index=message.first_index,
            ceiling=self._tokenizer.most_characters,
        )
        for index, ids in enumerate(rows, message.first_index):
            if not ids and not self._files.takes_empty:
                raise InvalidInputError.at(f"texts[{index}]", "{field} has no tokens")
            if ids and self._tokenizer.highest_id >= self._vocabulary_size:
                check_ids(ids, self._vocabulary_size, f"texts[{index}]")
        return rows

    def _given_ids(self, message: messages.EmbedInput) -> list[list[int]]:
        if message.texts:
            raise InvalidInputError.at(
                "token_sequences", "{texts} and {field} exclude each other", texts=Field("texts")
            )
        rows = [list(sequence.ids) for sequence in message.token_sequences]
        for index, ids in enumerate(rows, message.first_index):
            check_ids(ids, self._vocabulary_size, f"token_sequences[{index}]")
        return rows

    def _fit(
        self, rows: Sequence[list[int]], name: str, message: messages.EmbedInput, prompt: Prompt, limit: int = 0
    ) -> tuple[list[TokenRow], list[int]]:
        """The rows within a limit, by default the model's, and the positions in the call of those that were cut."""
        truncation, limit = message.truncation, limit or self._max_tokens
        sequences: list[TokenRow] = []
        truncated: list[int] = []
        for index, ids in enumerate(rows, message.first_index):
            if len(ids) <= limit:
                # A row has a token at least; one that no other sees makes no difference.
                sequences.append(TokenRow(ids, prompt.tokens) if ids else TokenRow([self._tokenizer.pad_id], unseen=1))
                continue
            if truncation == "refuse":
                raise InvalidInputError.at(
                    f"{name}[{index}]",
                    "{field} has {count:,} tokens; the model takes at most {limit:,}",
                    count=len(ids),
                    limit=limit,
                )
            cut = self._tokenizer.truncate(ids, limit, truncation, keep_leading=prompt.tokens)
            sequences.append(TokenRow(cut, prompt.tokens))
            truncated.append(index)
        return sequences, truncated


def _refuse_of_sparse(message: messages.EmbedInput) -> None:
    """What is not done to sparse vectors, as in sentence-transformers."""
    for field in ("normalize", "dimensions"):
        if message.HasField(field):
            raise InvalidInputError.at(field, "{field} is not for the sparse vectors that the model gives")
