"""The requests of a stream that embeds from the caller's batches, and results from its responses."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable

from panope.v1 import embed_service_pb2 as embed_pb
from panope_client.embed_messages import Batch, EmbedOptions, embed_request, embeddings_of
from panope_client.errors import InvalidArgumentError, InvalidResponseError, PanopeClientError
from panope_client.results import Embeddings
from panope_client.sources import Source
from panope_client.status import error_in_stream

#: The requests of a stream.
EmbedSource = Source[Batch, embed_pb.StreamEmbedRequest]


def embed_source(batches: Iterable[Batch] | AsyncIterable[Batch], model: str, options: EmbedOptions) -> EmbedSource:
    """Makes the requests of a stream, numbered in their order.

    Raises:
        InvalidArgumentError: the batches are a text, or no iterable.
    """
    if isinstance(batches, str) or not isinstance(batches, Iterable | AsyncIterable):
        raise InvalidArgumentError("`batches` must be an iterable of batches", field="batches")

    def request(number: int, batch: Batch) -> embed_pb.StreamEmbedRequest:
        return embed_pb.StreamEmbedRequest(id=str(number), request=embed_request(batch, model, options))

    return Source(batches, request)


def stream_result(number: int, response: embed_pb.StreamEmbedResponse) -> Embeddings | PanopeClientError:
    """Reads the response to request `number` of a stream.

    Raises:
        InvalidResponseError: the response is not to that request: responses come in the order of the requests.
    """
    if response.id != str(number):
        raise InvalidResponseError(f"the stream answered request {response.id!r} where the answer to {number} was due")
    if response.WhichOneof("result") == "error":
        return error_in_stream(response.error)
    return embeddings_of(response.response)


def check_stream_end(responses: int, source: EmbedSource) -> None:
    """Checks that a stream that ended well was whole.

    Raises:
        InvalidResponseError: requests are left without a response.
        Exception: what the caller's batches raised.
    """
    if responses < source.count:
        raise InvalidResponseError(f"the stream ended after {responses} answers to {source.count} requests")
    source.raise_failure()
