"""The requests of streams that are transcribed as they are spoken."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, Literal, get_args

from panope.v1 import speech_service_pb2 as pb
from panope_client.arguments import check_options, request_of
from panope_client.errors import InvalidArgumentError, InvalidResponseError
from panope_client.messages.speech import TranscribeOptions
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


class LiveSource(Source[bytes, pb.LiveTranscribeRequest]):
    """The requests of a stream: how it is transcribed, then its audio.

    Args:
        pieces: of audio, as they come.
        config: of the stream.
    """

    def __init__(self, pieces: Iterable[bytes] | AsyncIterable[bytes], config: pb.LiveTranscribeConfig) -> None:
        super().__init__(pieces, lambda _number, piece: pb.LiveTranscribeRequest(audio=piece))
        self._config = pb.LiveTranscribeRequest(config=config)

    def __iter__(self) -> Iterator[pb.LiveTranscribeRequest]:
        """The config, and a request for each piece."""
        yield self._config
        yield from super().__iter__()

    async def __aiter__(self) -> AsyncIterator[pb.LiveTranscribeRequest]:
        """As above."""
        yield self._config
        async for request in super().__aiter__():
            yield request


def live_source(pieces: Iterable[bytes] | AsyncIterable[bytes], model: str, options: LiveOptions) -> LiveSource:
    """Makes the requests of a stream.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value, or the pieces are one text or file.
    """
    check_options(options, LiveOptions)
    if isinstance(pieces, bytes | str) or not isinstance(pieces, Iterable | AsyncIterable):
        raise InvalidArgumentError("`audio` must be an iterable of pieces of audio", field="audio")
    told: dict[str, Any] = dict(options)
    kind = told.pop("sample_format", "s16le")
    if kind not in get_args(SampleFormat):
        raise InvalidArgumentError(
            f"`sample_format` is one of {', '.join(get_args(SampleFormat))}", field="sample_format"
        )
    rate, interval = told.pop("sample_rate", 0), told.pop("partial_interval_seconds", None)
    config = request_of(
        pb.LiveTranscribeConfig,
        model=model,
        sample_format=pb.SampleFormat.Value(f"SAMPLE_FORMAT_{str(kind).upper()}"),
        sample_rate=rate,
        options=request_of(pb.TranscriptionOptions, **told),
        partial_interval_seconds=interval,
    )
    return LiveSource(pieces, config)


def checked_utterance(last: int, response: pb.LiveTranscribeResponse) -> int:
    """The number of the utterance that a response tells of.

    Raises:
        InvalidResponseError: it comes behind a later one.
    """
    if response.utterance < last:
        raise InvalidResponseError(f"the stream told of utterance {response.utterance} behind {last}")
    return int(response.utterance)
