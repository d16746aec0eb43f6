"""Requests from arguments and results from answers: everything that both clients share and that calls no server."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypedDict

import numpy as np

from panope.v1 import embed_service_pb2 as embed_pb
from panope.v1 import infer_service_pb2 as infer_pb
from panope_client.errors import AnswerError, PanopeClientError, error_in_stream
from panope_client.results import Embeddings, Tokens
from panope_client.sources import Source
from panope_client.tensors import Array, arrays_of, tensors_of
from panope_client.values import Json, json_of, message_of

Truncation = Literal["refuse", "end", "start"]

#: A batch: texts, or the token ids of texts.
Batch = Sequence[str] | Sequence[Sequence[int]]

#: The requests of a stream.
EmbedSource = Source[Batch, embed_pb.StreamEmbedRequest]

_TRUNCATIONS: Mapping[str, embed_pb.Truncation.ValueType] = {
    "refuse": embed_pb.TRUNCATION_REFUSE,
    "end": embed_pb.TRUNCATION_END,
    "start": embed_pb.TRUNCATION_START,
}


class EmbedOptions(TypedDict, total=False):
    """How to embed; what is left out is as the model's own files say.

    Attributes:
        truncation: what to do with a text that is too long: `refuse` it (the default), or cut tokens off its `end` or
            `start`.
        normalize: whether vectors have length 1.
        dimensions: how many leading values of each vector to keep; default all.
        prompt_name: the model's prompt to put before each text.
    """

    truncation: Truncation
    normalize: bool | None
    dimensions: int | None
    prompt_name: str | None


def embed_request(batch: Batch, model: str, options: EmbedOptions) -> embed_pb.EmbedRequest:
    """Makes the request to embed one batch.

    Raises:
        TypeError: an unknown option; the batch is a single text, or mixes texts and token ids.
        ValueError: an unknown truncation.
    """
    unknown = options.keys() - EmbedOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"unknown option `{min(unknown)}`; known are {', '.join(EmbedOptions.__annotations__)}")
    truncation = options.get("truncation", "refuse")
    if truncation not in _TRUNCATIONS:
        raise ValueError(f"truncation must be one of {', '.join(_TRUNCATIONS)}; got {truncation!r}")
    texts, sequences = _split(batch)
    return embed_pb.EmbedRequest(
        model=model,
        texts=texts,
        token_sequences=sequences,
        truncation=_TRUNCATIONS[truncation],
        normalize=options.get("normalize"),
        dimensions=options.get("dimensions"),
        prompt_name=options.get("prompt_name"),
    )


def embeddings_of(answer: embed_pb.EmbedResponse) -> Embeddings:
    """Reads the vectors of one batch.

    Raises:
        AnswerError: the vectors' bytes do not fit their count and dimensions.
    """
    data = answer.vectors
    if len(data) != answer.count * answer.dimensions * 4:
        raise AnswerError(f"{answer.count} vectors of {answer.dimensions} values cannot have {len(data)} bytes")
    return Embeddings(
        model=answer.model,
        vectors=np.frombuffer(data, "<f4").reshape(answer.count, answer.dimensions),
        token_counts=tuple(answer.token_counts),
        truncated_indices=tuple(answer.truncated_indices),
    )


def embed_source(batches: Iterable[Batch] | AsyncIterable[Batch], model: str, options: EmbedOptions) -> EmbedSource:
    """Makes the requests of a stream, numbered in their order."""

    def request(number: int, batch: Batch) -> embed_pb.StreamEmbedRequest:
        return embed_pb.StreamEmbedRequest(id=str(number), request=embed_request(batch, model, options))

    return Source(batches, request)


def stream_result(number: int, answer: embed_pb.StreamEmbedResponse) -> Embeddings | PanopeClientError:
    """Reads the answer to request `number` of a stream.

    Raises:
        AnswerError: the answer is not to that request: answers come in the order of the requests.
    """
    if answer.id != str(number):
        raise AnswerError(f"the stream answered request {answer.id!r} where the answer to {number} was due")
    if answer.WhichOneof("result") == "error":
        return error_in_stream(answer.error)
    return embeddings_of(answer.response)


def tokens_of(answer: embed_pb.TokenizeResponse) -> list[Tokens]:
    """Reads the tokens of each text."""
    return [
        Tokens(tuple(text.ids), tuple(text.tokens), tuple(zip(text.starts, text.ends, strict=True)))
        for text in answer.texts
    ]


def sequences_of(sequences: Sequence[Sequence[int]]) -> list[embed_pb.TokenSequence]:
    """Makes the messages of token ids."""
    return [embed_pb.TokenSequence(ids=sequence) for sequence in sequences]


def infer_request(model: str, inputs: Mapping[str, Array], outputs: Sequence[str]) -> infer_pb.InferRequest:
    """Makes the request to run named arrays."""
    return infer_pb.InferRequest(model=model, inputs=tensors_of(inputs), output_names=outputs)


def outputs_of(answer: infer_pb.InferResponse) -> dict[str, Array]:
    """Reads the named arrays of an answer."""
    return arrays_of(answer.outputs)


def value_request(model: str, value: Json) -> infer_pb.InferRequest:
    """Makes the request to run a task's value.

    Raises:
        TypeError: the value holds what JSON cannot.
    """
    return infer_pb.InferRequest(model=model, value=message_of(value))


def value_of(answer: infer_pb.InferResponse) -> Any:
    """Reads a task's answer as JSON's own types; every number is a float."""
    return json_of(answer.value)


def check_stream_end(answers: int, source: EmbedSource) -> None:
    """Sees that a stream that ended well was whole.

    Raises:
        AnswerError: requests are left without an answer.
        Exception: what the caller's batches raised.
    """
    if answers < source.count:
        raise AnswerError(f"the stream ended after {answers} answers to {source.count} requests")
    source.raise_failure()


def batches_of(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    """Cuts texts into batches of `size`, the last perhaps smaller.

    Raises:
        ValueError: `size` is below 1.
    """
    if size < 1:
        raise ValueError("batch_size must be at least 1")
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _split(batch: Batch) -> tuple[list[str], list[embed_pb.TokenSequence]]:
    """Texts and token ids of a batch; one of the two is empty."""
    if isinstance(batch, str):
        raise TypeError("a batch is a list of texts; put a single text into a list")
    texts = [item for item in batch if isinstance(item, str)]
    sequences = [item for item in batch if not isinstance(item, str)]
    if texts and sequences:
        raise TypeError("a batch has either texts or token ids, not both")
    return texts, sequences_of(sequences)
