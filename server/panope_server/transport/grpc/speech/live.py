"""The messages of streams that are transcribed as they are spoken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace

from panope.v1 import speech_service_pb2 as pb
from panope_backends.errors import InvalidInputError
from panope_server.pipeline.live.pcm import Pcm
from panope_server.pipeline.live.transcription import LiveOptions, Utterance
from panope_server.tasks.speech.transcribe import TranscribeInput, VadOptions
from panope_server.transport.grpc.fields import known

_RATES = (8_000, 48_000)
_DEFAULT_RATE = 16_000

_IS_FLOAT: Mapping[int, bool] = {
    pb.SAMPLE_FORMAT_UNSPECIFIED: False,
    pb.SAMPLE_FORMAT_S16LE: False,
    pb.SAMPLE_FORMAT_F32LE: True,
}

#: By which utterances end, unless the caller says otherwise.
_SILENCE_SECONDS, _LEAST_SILENCE_SECONDS = 0.7, 0.2
_PADDING_SECONDS, _MOST_PADDING_SECONDS = 0.2, 1.0
_PARTIAL_SECONDS = 1.0
_PARTIAL_BOUNDS = (0.2, 30.0)

#: Of one message.
_MAX_PIECE_BYTES = 1 << 20


async def read_config(messages: AsyncIterator[pb.LiveTranscribeRequest]) -> pb.LiveTranscribeConfig:
    """What the first message of a stream says.

    Raises:
        InvalidInputError: it says nothing of how.
    """
    first = await anext(messages, None)
    if first is None or first.WhichOneof("message") != "config":
        raise InvalidInputError.at("config", "{field} must be in the first message of the stream")
    return first.config


async def audio_of(messages: AsyncIterator[pb.LiveTranscribeRequest]) -> AsyncIterator[bytes]:
    """The audio of the messages behind the first.

    Raises:
        InvalidInputError: one has none, or too much of it.
    """
    async for message in messages:
        if message.WhichOneof("message") != "audio":
            raise InvalidInputError.at("audio", "{field} is what every message behind the first has")
        if len(message.audio) > _MAX_PIECE_BYTES:
            raise InvalidInputError.at(
                "audio",
                "{field} has {size:,} bytes in one message; the limit is {limit:,}",
                size=len(message.audio),
                limit=_MAX_PIECE_BYTES,
            )
        yield message.audio


def live_options(config: pb.LiveTranscribeConfig, template: TranscribeInput) -> LiveOptions:
    """How a stream is transcribed.

    Args:
        config: of the stream.
        template: of each transcription, made of the same options.

    Raises:
        InvalidInputError: a field is out of its bounds.
    """
    rate = config.sample_rate or _DEFAULT_RATE
    if not _RATES[0] <= rate <= _RATES[1]:
        raise InvalidInputError.at(
            "config.sample_rate", "{field} must be from {low:,} to {high:,}", low=_RATES[0], high=_RATES[1]
        )
    if template.vad is False:
        raise InvalidInputError.at("vad", "{field} cannot be false: silence is what parts utterances")
    told = {field.name for field, _ in config.options.vad_options.ListFields()}
    vad = template.vad_options or VadOptions()
    silence = vad.min_silence_seconds if "min_silence_seconds" in told else _SILENCE_SECONDS
    padding = vad.padding_seconds if "padding_seconds" in told else _PADDING_SECONDS
    if silence < _LEAST_SILENCE_SECONDS:
        raise InvalidInputError.at(
            "vad_options.min_silence_seconds", "{field} must be at least {limit:g}", limit=_LEAST_SILENCE_SECONDS
        )
    if padding > _MOST_PADDING_SECONDS:
        raise InvalidInputError.at(
            "vad_options.padding_seconds", "{field} must be at most {limit:g}", limit=_MOST_PADDING_SECONDS
        )
    pcm = Pcm(rate, known(_IS_FLOAT, config.sample_format, "config.sample_format"))
    interval = _partial_interval(config)
    return LiveOptions(pcm, replace(template, vad_options=None), vad.threshold, silence, padding, interval)


def _partial_interval(config: pb.LiveTranscribeConfig) -> float:
    is_told = config.HasField("partial_interval_seconds")
    seconds = config.partial_interval_seconds if is_told else _PARTIAL_SECONDS
    low, high = _PARTIAL_BOUNDS
    if seconds != 0 and not low <= seconds <= high:
        raise InvalidInputError.at(
            "config.partial_interval_seconds", "{field} must be 0, or from {low:g} to {high:g}", low=low, high=high
        )
    return seconds


def live_response(
    model: str, utterance: Utterance, segments: Iterable[pb.TranscriptionSegment]
) -> pb.LiveTranscribeResponse:
    """The message of an utterance."""
    output = utterance.output
    return pb.LiveTranscribeResponse(
        model=model,
        utterance=utterance.index,
        is_final=utterance.is_final,
        text=output.text,
        segments=segments,
        start_seconds=utterance.start,
        end_seconds=utterance.end,
        language=output.language,
        completion_tokens=output.tokens,
    )
