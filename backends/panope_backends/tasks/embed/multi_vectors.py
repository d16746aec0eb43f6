"""Models with a vector for each token (ColBERT): queries and documents, and the scores of one for the other by MaxSim.

The algorithm is that of ColBERT (Khattab and Zaharia, 2020) as sentence-transformers' MultiVectorEncoder runs it: a
query is filled up with tokens that stand for what is masked, which have vectors too; words such as punctuation have
none in documents; a score is the sum over a query's vectors of the largest product with a document's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope.worker.v1 import classify_pb2, embed_pb2
from panope_backends.api import TensorModel
from panope_backends.errors import InternalError, InvalidInputError, PreconditionError
from panope_backends.model_facts.text_graphs import text_shape
from panope_backends.tasks.embed.embed import TRIAL_TOKENS, TRUNCATIONS, EmbedSequenceTask
from panope_backends.tasks.embed.files.embed_files import EmbedFiles
from panope_backends.tasks.embed.files.multi_vector_files import MultiVectors
from panope_backends.tasks.embed.head import normalize
from panope_backends.tasks.embed.purposes import DOCUMENT, QUERY, purpose_of
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer
from panope_backends.tasks.embed.word_steps import Words
from panope_backends.tasks.ragged import ragged
from panope_backends.tasks.task import Rows, SequenceJob, TokenRow

Flags = NDArray[np.bool_]

#: Of one text, where the weights set no limit.
MOST_TOKENS = 1 << 16


@dataclass(slots=True)
class MultiVectorJob(SequenceJob):
    """One request to embed.

    Attributes:
        told: which tokens of each text have a vector in the answer.
        truncated: the positions in the call of texts that were cut.
        normalize: whether vectors are scaled to length 1.
    """

    sequences: Sequence[TokenRow]
    told: Sequence[Flags]
    truncated: list[int]
    normalize: bool

    def answer(self, rows: Rows) -> bytes:
        """The vectors of one text after another."""
        texts = list(chosen(rows, self.told, scaled=self.normalize))
        message = embed_pb2.EmbedOutput(
            vectors=np.concatenate(texts).astype("<f4", copy=False).tobytes(),
            dimensions=texts[0].shape[1],
            token_counts=[len(sequence.ids) for sequence in self.sequences],
            truncated_indices=self.truncated,
            vector_counts=list(map(len, texts)),
        )
        return message.SerializeToString()


@dataclass(slots=True)
class MaxSimJob(SequenceJob):
    """One request to score documents for a query, or each for one of its own.

    Attributes:
        told: as of `MultiVectorJob`.
        queries: how many of the sequences are queries; they come first, and the first is of all documents where there
            is one.
        truncated: the positions in the call of documents that were cut, or whose query was.
        normalize: whether vectors are scaled to length 1.
        is_mean: whether a score is divided by the query's vectors.
        sigmoid: whether scores are put between 0 and 1.
    """

    sequences: Sequence[TokenRow]
    told: Sequence[Flags]
    queries: int
    truncated: list[int]
    normalize: bool
    is_mean: bool
    sigmoid: bool

    def answer(self, rows: Rows) -> bytes:
        """The score of each document."""
        texts = list(chosen(rows, self.told, scaled=self.normalize))
        queries, documents = texts[: self.queries], texts[self.queries :]
        scores = [
            max_sim(queries[at if self.queries > 1 else 0], document, mean=self.is_mean)
            for at, document in enumerate(documents)
        ]
        if self.sigmoid:
            scores = [float(1 / (1 + np.exp(-np.float64(score)))) for score in scores]
        counts = [len(sequence.ids) for sequence in self.sequences]
        asked, read = counts[: self.queries], counts[self.queries :]
        message = classify_pb2.RerankOutput(
            scores=scores,
            token_counts=[count + asked[at if self.queries > 1 else 0] for at, count in enumerate(read)],
            truncated_indices=self.truncated,
        )
        return message.SerializeToString()


def max_sim(query: Rows, document: Rows, *, mean: bool = False) -> float:
    """How well a document fits a query: for each of the query's vectors the largest product, and the sum of these.

    Args:
        query: vectors × values.
        document: likewise; of none, the score is 0.
        mean: whether the sum is divided by the query's vectors.
    """
    if not len(query) or not len(document):
        return 0.0
    largest = (query @ document.T).max(axis=1)
    return float(largest.mean() if mean else largest.sum())


def chosen(rows: Rows, told: Sequence[Flags], *, scaled: bool) -> Iterator[Rows]:
    """The vectors of each text that are told."""
    for row, flags in zip(rows, told, strict=True):
        vectors = np.asarray(row, np.float32)[flags]
        yield normalize(vectors) if scaled else vectors


class MultiVectorTask(EmbedSequenceTask):
    """Embeds with one loaded model; a row of a text is tokens × values.

    Args:
        files: what the model's folder says, of a model with a vector for each token.
        tokenizer: of the model.
        model: that is loaded.
        max_tokens: of one text, special tokens included.
        pickles: whether an admin lets pickled weights of the steps after the model be opened.

    Raises:
        PreconditionError: the model's files ask for what Panope cannot do.
    """

    _tokenizer: TextTokenizer

    def __init__(
        self,
        files: EmbedFiles,
        tokenizer: TextTokenizer,
        model: TensorModel,
        *,
        max_tokens: int,
        pickles: bool = False,
    ) -> None:
        super().__init__(files, tokenizer, model, max_tokens=max_tokens, pickles=pickles)
        assert files.multi is not None
        self._multi: MultiVectors = files.multi
        if not self._vectors.gives_tokens:
            raise PreconditionError("the model gives no vectors of tokens, and its files ask for them")
        self._most = min(model.max_tokens or MOST_TOKENS, text_shape(model.inputs).length or MOST_TOKENS)
        self._limits = {QUERY: self._limit(QUERY), DOCUMENT: self._limit(DOCUMENT)}
        self._filler = self._expansion_id()
        self._skipped = np.array([found for word in self._multi.skipped_words if (found := self._id_of(word)) >= 0])

    @property
    def row_width(self) -> int:
        """As many as there are tokens."""
        return 0

    @property
    def facts(self) -> embed_pb2.EmbedFacts:
        """What the model takes and gives; known after `trial`."""
        return embed_pb2.EmbedFacts(
            dimensions=self._width,
            max_tokens=self._limits[DOCUMENT],
            prompt_names=sorted(self._prompts),
            pooling="meanmaxsim" if self._multi.is_mean else "maxsim",
            normalize=self._files.normalize,
        )

    def prepare(self, data: bytes) -> MultiVectorJob:  # type: ignore[override]  # of another kind of answer
        """Makes tokens of the texts and checks what was asked.

        Raises:
            InvalidInputError: names the field, the value and the limit.
        """
        message = embed_pb2.EmbedInput.FromString(data)
        if message.HasField("dimensions"):
            raise InvalidInputError.at("dimensions", "{field} is not for the vectors of tokens that the model gives")
        purpose = purpose_of(message) or DOCUMENT
        sequences, told, truncated = self._read(message, purpose)
        scaled = message.normalize if message.HasField("normalize") else self._files.normalize
        return MultiVectorJob(sequences, told, truncated, scaled)

    def rerank(self, data: bytes) -> MaxSimJob:
        """Makes tokens of a query, or of one for each document, and of the documents.

        Raises:
            InvalidInputError: names the field, the value and the limit.
        """
        message = classify_pb2.RerankInput.FromString(data)
        if message.queries and len(message.queries) != len(message.documents):
            raise InvalidInputError.at("queries", "{field} must be as many as the documents")
        if message.function not in ("", "none", "sigmoid"):
            raise InvalidInputError.at("function", "{field} must be none or sigmoid")
        one = not message.queries
        queries = self._read_as("query" if one else "queries", message.queries or [message.query], message, QUERY)
        documents = self._read_as("documents", message.documents, message, DOCUMENT)
        cut = {*documents[2], *(range(len(message.documents)) if one and queries[2] else queries[2])}
        return MaxSimJob(
            [*queries[0], *documents[0]],
            [*queries[1], *documents[1]],
            len(queries[0]),
            sorted(message.first_index + at for at in cut),
            self._files.normalize,
            self._multi.is_mean,
            message.function == "sigmoid",
        )

    def run(self, sequences: Sequence[TokenRow]) -> Rows:
        """Runs one batch: tensors, and the steps for tokens."""
        arrays, attended = self._inputs.build(sequences)
        hidden = self._vectors.of_tokens(arrays, Words(arrays["input_ids"], attended))
        return ragged([row[: len(sequence.ids)] for row, sequence in zip(hidden, sequences, strict=True)])

    def trial(self) -> None:
        """Embeds a short text and takes the model's dimensions from the answer."""
        (row,) = self.run([self.sample(TRIAL_TOKENS)])
        if row.ndim != 2 or not np.isfinite(row).all():
            raise InternalError("the trial run of the model gave values that are not finite")
        self._width = row.shape[1]

    def _read_as(
        self, field: str, texts: Sequence[str], message: classify_pb2.RerankInput, purpose: str
    ) -> tuple[list[TokenRow], list[Flags], list[int]]:
        """As `_read`, of texts that a request calls otherwise; positions are within them."""
        asked = embed_pb2.EmbedInput(texts=texts, truncation=message.truncation or "refuse", purpose=purpose)
        if field != "query":
            asked.first_index = message.first_index
        try:
            sequences, told, truncated = self._read(asked, purpose)
        except InvalidInputError as error:
            name = {"query": lambda _: field}.get(field, lambda path: path.replace("texts", field, 1))
            raise error.renamed(name) from None
        return sequences, told, [at - asked.first_index for at in truncated]

    def _read(self, message: embed_pb2.EmbedInput, purpose: str) -> tuple[list[TokenRow], list[Flags], list[int]]:
        """The tokens of texts, which of them are told, and the positions in the call of texts that were cut."""
        if message.truncation not in TRUNCATIONS:
            raise InvalidInputError.at("truncation", "{field} must be one of {known}", known=", ".join(TRUNCATIONS))
        if not message.purpose and not message.HasField("prompt_name") and not message.token_sequences:
            message.purpose = purpose
        prompt, limit = self._requested_prompt(message), self._limits[purpose]
        if message.token_sequences:
            name, ids = "token_sequences", self._given_ids(message)
        else:
            name, ids = "texts", self._tokenize(message, prompt, limit)
        rows, truncated = self._fit(ids, name, message, prompt, limit)
        expanded = [self._expanded(row) for row in rows] if purpose == QUERY else rows
        return expanded, [self._told(row.ids, purpose) for row in expanded], truncated

    def _expanded(self, row: TokenRow) -> TokenRow:
        """A query, filled up."""
        expansion = self._multi.expansion
        missing = 0 if expansion is None else expansion.length - len(row.ids)
        if expansion is None or missing <= 0:
            return row
        ids = [*row.ids, *[self._filler] * missing]
        return replace(row, ids=ids, unseen=0 if expansion.attends else missing)

    def _told(self, ids: Sequence[int], purpose: str) -> Flags:
        """Which tokens have a vector in the answer; those that fill a query up have."""
        given = np.asarray(ids)
        told = np.ones(len(given), bool)
        if purpose in self._multi.skips_in and len(self._skipped):
            told &= ~np.isin(given, self._skipped)
        if purpose != QUERY and self._multi.kept_ids:
            told &= np.isin(given, self._multi.kept_ids)
        return told

    def _limit(self, purpose: str) -> int:
        """The tokens of a text for a purpose."""
        # What the tokenizer's own files say of a text's length does not count here: the weights' positions do.
        multi, most = self._multi, self._most
        stated = multi.query_length if purpose == QUERY else multi.document_length
        if purpose == QUERY and multi.expansion is not None and multi.expansion.cuts:
            stated = multi.expansion.length
        if stated is not None and stated > most:
            raise PreconditionError(
                f"the model's files let a {purpose} have {stated:,} tokens; the model takes {most:,}"
            )
        return stated or self._max_tokens

    def _expansion_id(self) -> int:
        """The id that fills queries up."""
        expansion = self._multi.expansion
        if expansion is None:
            return 0
        if self._tokenizer.padding_side != "right":
            raise PreconditionError("the model expands queries, and its tokenizer pads on the left")
        found = self._tokenizer.mask_id if expansion.token is None else self._tokenizer.id_of(expansion.token)
        if found is None:
            named = "a token for what is masked" if expansion.token is None else f"`{expansion.token}`"
            raise PreconditionError(f"the model expands queries by {named}, which its tokenizer does not have")
        if expansion.length > self._most:
            raise PreconditionError(
                f"the model expands queries to {expansion.length:,} tokens; it takes {self._most:,}"
            )
        return found

    def _id_of(self, word: str) -> int:
        """The id of a token; -1 where the vocabulary has none."""
        found = self._tokenizer.id_of(word)
        return -1 if found is None else found


def refuse_rerank(data: bytes) -> Any:
    """The refusal of a model with one vector for each text to rerank."""
    del data
    raise InvalidInputError.at(
        "model",
        "{field} gives one vector for each text; those that rerank compare two texts, or the vectors of their tokens",
        reason="task_mismatch",
    )
