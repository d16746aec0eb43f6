"""Embedding's requests from arguments, and results from its responses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypedDict

import numpy as np

from panope.v1 import embed_service_pb2 as embed_pb
from panope_client.arguments import check_options, iterated, request_of, value_of
from panope_client.errors import InvalidArgumentError, InvalidResponseError
from panope_client.messages.token import sequences_of
from panope_client.results import Embeddings, SparseVector

Truncation = Literal["refuse", "end", "start"]
Purpose = Literal["query", "document"]

#: A batch: texts, or the token ids of texts.
Batch = Sequence[str] | Sequence[Sequence[int]]

_TRUNCATIONS: Mapping[str, embed_pb.Truncation.ValueType] = {
    "refuse": embed_pb.TRUNCATION_REFUSE,
    "end": embed_pb.TRUNCATION_END,
    "start": embed_pb.TRUNCATION_START,
}


_PURPOSES: Mapping[str, embed_pb.EmbedPurpose.ValueType] = {
    "query": embed_pb.EMBED_PURPOSE_QUERY,
    "document": embed_pb.EMBED_PURPOSE_DOCUMENT,
}


class EmbedOptions(TypedDict, total=False):
    """How to embed; what is left out is as the model's own files say.

    Attributes:
        truncation: what to do with a text that is too long: `refuse` it (the default), or cut tokens off its `end` or
            `start`.
        normalize: whether vectors have length 1.
        dimensions: how many leading values of each vector to keep; default all.
        prompt_name: the model's prompt to put before each text.
        purpose: what the texts are for, `query` or `document`, by models that treat these differently.
    """

    truncation: Truncation
    normalize: bool | None
    dimensions: int | None
    prompt_name: str | None
    purpose: Purpose | None


def embed_request(batch: Batch, model: str, options: EmbedOptions) -> embed_pb.EmbedRequest:
    """Makes the request to embed one batch.

    Raises:
        InvalidArgumentError: an option is unknown or has a wrong value; the batch is a single text, or mixes texts and
            token ids.
    """
    check_options(options, EmbedOptions)
    texts, token_sequences = _split(batch)
    return request_of(
        embed_pb.EmbedRequest,
        model=model,
        texts=texts,
        token_sequences=token_sequences,
        truncation=truncation_of(options),
        normalize=options.get("normalize"),
        dimensions=options.get("dimensions"),
        prompt_name=options.get("prompt_name"),
        purpose=_purpose_of(options.get("purpose")),
    )


def _purpose_of(purpose: str | None) -> embed_pb.EmbedPurpose.ValueType:
    return embed_pb.EMBED_PURPOSE_UNSPECIFIED if purpose is None else value_of(purpose, _PURPOSES, "purpose")


def truncation_of(options: Mapping[str, Any]) -> embed_pb.Truncation.ValueType:
    """What options say of a text that is too long.

    Raises:
        InvalidArgumentError: another word than there are.
    """
    return value_of(options.get("truncation", "refuse"), _TRUNCATIONS, "truncation")


def embeddings_of(response: embed_pb.EmbedResponse) -> Embeddings:
    """Reads the vectors of one batch.

    Raises:
        InvalidResponseError: the vectors' bytes do not fit their count and dimensions.
    """
    count, dimensions, vectors = response.count, response.dimensions, response.vectors
    if len(vectors) != count * dimensions * 4:
        raise InvalidResponseError(f"{count} vectors of {dimensions} values cannot have {len(vectors)} bytes")
    return Embeddings(
        model=response.model,
        vectors=np.frombuffer(vectors, "<f4").reshape(count, dimensions),
        token_counts=tuple(response.token_counts),
        truncated_indices=tuple(response.truncated_indices),
        sparse_vectors=tuple(
            SparseVector(tuple(vector.indices), tuple(vector.values)) for vector in response.sparse_vectors
        ),
        vector_counts=tuple(response.vector_counts),
    )


def joined_embeddings(parts: Sequence[Embeddings]) -> Embeddings:
    """Joins the vectors of several calls.

    Raises:
        InvalidArgumentError: there were no texts.
        InvalidResponseError: the model that a name means became another between two calls.
    """
    if not parts:
        raise InvalidArgumentError("`texts` must hold at least one text", field="texts")
    try:
        return Embeddings.joined(parts)
    except ValueError as error:
        raise InvalidResponseError("two calls were answered by different models, or in different dimensions") from error


def batches_of(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    """Cuts texts into batches of `size`, the last perhaps smaller.

    Raises:
        InvalidArgumentError: the texts are a single one, or no iterable.
    """
    if isinstance(texts, str):
        raise _single_text()
    batch: list[str] = []
    for text in iterated(texts, "texts"):
        batch.append(text)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _split(batch: Batch) -> tuple[list[str], list[embed_pb.TokenSequence]]:
    """Texts and token ids of a batch; one of the two is empty."""
    if isinstance(batch, str):
        raise _single_text()
    items = list(iterated(batch, "texts"))
    texts = [item for item in items if isinstance(item, str)]
    if not texts:
        return [], sequences_of(items, "texts")
    if len(texts) < len(items):
        raise InvalidArgumentError("a batch has either texts or token ids, not both", field="texts")
    return texts, []


def _single_text() -> InvalidArgumentError:
    return InvalidArgumentError("a batch is a list of texts; put a single text into a list", field="texts")
