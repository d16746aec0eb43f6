"""The requests of streams from the caller's batches and frames, and results from their responses."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import Any

from panope.v1 import detect_service_pb2 as detect_pb
from panope.v1 import embed_service_pb2 as embed_pb
from panope_client.errors import InvalidArgumentError, InvalidResponseError, PanopeClientError
from panope_client.messages.embed import Batch, EmbedOptions, embed_request, embeddings_of
from panope_client.messages.image import DetectOptions, ImageSource, detect_request
from panope_client.results import Embeddings
from panope_client.sources import Source
from panope_client.status import error_in_stream

#: The requests of a stream.
EmbedSource = Source[Batch, embed_pb.StreamEmbedRequest]
FrameSource = Source[ImageSource, detect_pb.StreamDetectRequest]


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


def frame_source(
    frames: Iterable[ImageSource] | AsyncIterable[ImageSource], model: str, options: DetectOptions
) -> FrameSource:
    """Makes the requests of a stream, a frame each, numbered in their order.

    Raises:
        InvalidArgumentError: the frames are an image, or no iterable.
    """
    if isinstance(frames, bytes | str) or not isinstance(frames, Iterable | AsyncIterable):
        raise InvalidArgumentError("`frames` must be an iterable of images", field="frames")

    def request(number: int, frame: ImageSource) -> detect_pb.StreamDetectRequest:
        return detect_pb.StreamDetectRequest(id=str(number), request=detect_request([frame], model, options))

    return Source(frames, request)


def frame_result(number: int, response: detect_pb.StreamDetectResponse) -> detect_pb.ImageDetections:
    """Reads the response to frame `number` of a stream.

    Raises:
        InvalidResponseError: the response is not to that frame, or not of one image.
        PanopeClientError: the frame failed.
    """
    _check_order(number, response.id)
    if response.WhichOneof("result") == "error":
        raise error_in_stream(response.error)
    if len(response.response.images) != 1:
        raise InvalidResponseError(f"the stream answered {len(response.response.images)} images for one frame")
    return response.response.images[0]


def _check_order(number: int, answered: str) -> None:
    if answered != str(number):
        raise InvalidResponseError(f"the stream answered request {answered!r} where the answer to {number} was due")


def stream_result(number: int, response: embed_pb.StreamEmbedResponse) -> Embeddings | PanopeClientError:
    """Reads the response to request `number` of a stream.

    Raises:
        InvalidResponseError: the response is not to that request: responses come in the order of the requests.
    """
    _check_order(number, response.id)
    if response.WhichOneof("result") == "error":
        return error_in_stream(response.error)
    return embeddings_of(response.response)


def check_stream_end(responses: int, source: Source[Any, Any]) -> None:
    """Checks that a stream that ended well was whole.

    Raises:
        InvalidResponseError: requests are left without a response.
        Exception: what the caller's batches raised.
    """
    if responses < source.count:
        raise InvalidResponseError(f"the stream ended after {responses} answers to {source.count} requests")
    source.raise_failure()
