"""The requests of streams of audio that comes as it is spoken."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Literal, TypeVar, get_args

from panope.v1 import speech_service_pb2 as pb
from panope_client.arguments import check_options, request_of
from panope_client.errors import InvalidArgumentError, InvalidResponseError
from panope_client.messages.speech import DetectSpeechOptions, TranscribeOptions
from panope_client.sources import Source

SampleFormat = Literal["s16le", "f32le"]
"""How a sample is written: whole numbers of 16 bits, or floats of 32."""


class LiveOptions(TranscribeOptions, total=False):
    """How a stream is transcribed; what is left out is the server's default.

    Attributes:
        sample_rate: samples in a second, from 8,000 to 48,000; 16,000 by default.
        sample_format: `s16le` by default.
        partial_interval_seconds: of new audio after which an utterance that goes on is told anew, from 0.2 to 30; 0 for
            never, 1 by default.
    """

    sample_rate: int
    sample_format: SampleFormat
    partial_interval_seconds: float | None


class LiveDetectionOptions(DetectSpeechOptions, total=False):
    """How speech is looked for in a stream; what is left out is the server's default.

    Attributes:
        sample_rate: samples in a second, from 8,000 to 48,000; 16,000 by default.
        sample_format: `s16le` by default.
    """

    sample_rate: int
    sample_format: SampleFormat


Request = TypeVar("Request")


class LiveSource(Source[bytes, Request]):
    """The requests of a stream: how it is heard, then its audio.

    Args:
        pieces: of audio, as they come.
        first: says how.
        request: of a piece.

    Raises:
        InvalidArgumentError: the pieces are one text or file.
    """

    def __init__(
        self, pieces: Iterable[bytes] | AsyncIterable[bytes], first: Request, request: Callable[[bytes], Request]
    ) -> None:
        if isinstance(pieces, bytes | str) or not isinstance(pieces, Iterable | AsyncIterable):
            raise InvalidArgumentError("`audio` must be an iterable of pieces of audio", field="audio")
        super().__init__(pieces, lambda _number, piece: request(piece))
        self._first = first

    def __iter__(self) -> Iterator[Request]:
        """The first request, and one for each piece."""
        yield self._first
        yield from super().__iter__()

    async def __aiter__(self) -> AsyncIterator[Request]:
        """As above."""
        yield self._first
        async for request in super().__aiter__():
            yield request


def live_source(
    pieces: Iterable[bytes] | AsyncIterable[bytes], model: str, options: LiveOptions
) -> LiveSource[pb.LiveTranscribeRequest]:
    """Makes the requests of a stream that is transcribed.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value, or the pieces are one text or file.
    """
    check_options(options, LiveOptions)
    told: dict[str, Any] = dict(options)
    sampled, interval = _taken_samples(told), told.pop("partial_interval_seconds", None)
    config = request_of(
        pb.LiveTranscribeConfig,
        model=model,
        options=request_of(pb.TranscriptionOptions, **told),
        partial_interval_seconds=interval,
        **sampled,
    )
    return LiveSource(
        pieces, pb.LiveTranscribeRequest(config=config), lambda piece: pb.LiveTranscribeRequest(audio=piece)
    )


def live_detection_source(
    pieces: Iterable[bytes] | AsyncIterable[bytes], model: str, options: LiveDetectionOptions
) -> LiveSource[pb.StreamDetectSpeechRequest]:
    """Makes the requests of a stream in which speech is looked for.

    Raises:
        InvalidArgumentError: as `live_source`.
    """
    check_options(options, LiveDetectionOptions)
    told: dict[str, Any] = dict(options)
    sampled = _taken_samples(told)
    config = request_of(
        pb.StreamDetectSpeechConfig, model=model, vad_options=request_of(pb.VadOptions, **told), **sampled
    )
    return LiveSource(
        pieces, pb.StreamDetectSpeechRequest(config=config), lambda piece: pb.StreamDetectSpeechRequest(audio=piece)
    )


def _taken_samples(told: dict[str, Any]) -> dict[str, Any]:
    """How samples are written, taken out of the options."""
    kind = told.pop("sample_format", "s16le")
    if kind not in get_args(SampleFormat):
        raise InvalidArgumentError(
            f"`sample_format` is one of {', '.join(get_args(SampleFormat))}", field="sample_format"
        )
    number = pb.SampleFormat.Value(f"SAMPLE_FORMAT_{str(kind).upper()}")
    return {"sample_format": number, "sample_rate": told.pop("sample_rate", 0)}


def checked_utterance(last: int, response: pb.LiveTranscribeResponse) -> int:
    """The number of the utterance that a response tells of.

    Raises:
        InvalidResponseError: it comes behind a later one.
    """
    if response.utterance < last:
        raise InvalidResponseError(f"the stream told of utterance {response.utterance} behind {last}")
    return int(response.utterance)


def checked_part(last: int, response: pb.StreamDetectSpeechResponse) -> int:
    """The number of the part of speech that a response tells of.

    Raises:
        InvalidResponseError: it comes behind a later one.
    """
    if response.index < last:
        raise InvalidResponseError(f"the stream told of part {response.index} behind {last}")
    return int(response.index)
