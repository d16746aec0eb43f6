"""The messages of streams of audio that comes as it is spoken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

from panope.v1 import speech_service_pb2 as pb
from panope_backends.errors import InvalidInputError
from panope_server.pipeline.live.detection import DetectionOptions, SpokenPart
from panope_server.pipeline.live.file_heads import file_kind
from panope_server.pipeline.live.pcm import Pcm
from panope_server.pipeline.live.transcription import LiveOptions, Utterance
from panope_server.tasks.speech.transcribe import TranscribeInput
from panope_server.tasks.speech.vad import OF_DETECTION, VadLimits, VadOptions, check_vad
from panope_server.transport.grpc.fields import known

_RATES = (8_000, 48_000)
_DEFAULT_RATE = 16_000

_IS_FLOAT: Mapping[int, bool] = {
    pb.SAMPLE_FORMAT_UNSPECIFIED: False,
    pb.SAMPLE_FORMAT_S16LE: False,
    pb.SAMPLE_FORMAT_F32LE: True,
}

#: By which utterances end, unless the caller says otherwise.
_OF_UTTERANCES = VadOptions(0.5, 0.7, 0.2, 0.1)
#: An utterance, the silence that ends it and what is around it are less than the audio that is kept.
_UTTERANCE_LIMITS = VadLimits(min_silence=0.2, max_silence=10.0, max_padding=1.0, max_speech=10.0)
_DETECTION_LIMITS = VadLimits(max_silence=10.0, max_padding=1.0, max_speech=10.0)

_PARTIAL_SECONDS = 1.0
_PARTIAL_BOUNDS = (0.2, 30.0)

#: Of one message.
_MAX_PIECE_BYTES = 1 << 20


Request = TypeVar("Request", pb.LiveTranscribeRequest, pb.StreamDetectSpeechRequest)


class _Sampled(Protocol):
    """What says how samples are written."""

    @property
    def sample_format(self) -> int: ...

    @property
    def sample_rate(self) -> int: ...


async def first_config(messages: AsyncIterator[Request]) -> Request:
    """The first message of a stream, which says how.

    Raises:
        InvalidInputError: it does not.
    """
    first = await anext(messages, None)
    if first is None or first.WhichOneof("message") != "config":
        raise InvalidInputError.at("config", "{field} must be in the first message of the stream")
    return first


async def audio_of(
    messages: AsyncIterator[pb.LiveTranscribeRequest] | AsyncIterator[pb.StreamDetectSpeechRequest],
) -> AsyncIterator[bytes]:
    """The audio of the messages behind the first.

    Raises:
        InvalidInputError: one has none, too much of it, or what begins as a file.
    """
    is_first = True
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
        if kind := file_kind(message.audio, is_first=is_first):
            raise InvalidInputError.at(
                "audio",
                "{field} begins as a file ({kind}); send raw PCM samples, without a header",
                kind=kind,
            )
        is_first = False
        yield message.audio


def live_options(config: pb.LiveTranscribeConfig, template: TranscribeInput) -> LiveOptions:
    """How a stream is transcribed.

    Args:
        config: of the stream.
        template: of each transcription, made of the same options.

    Raises:
        InvalidInputError: a field is out of its bounds.
    """
    pcm = _pcm_of(config)
    if template.vad is False:
        raise InvalidInputError.at("vad", "{field} cannot be false: silence is what parts utterances")
    vad = vad_options(config.options.vad_options, _OF_UTTERANCES)
    check_vad(vad, _UTTERANCE_LIMITS)
    return LiveOptions(pcm, replace(template, vad_options=None), vad, _partial_interval(config))


def detection_options(config: pb.StreamDetectSpeechConfig) -> DetectionOptions:
    """How speech is looked for in a stream.

    Raises:
        InvalidInputError: a field is out of its bounds.
    """
    pcm, vad = _pcm_of(config), vad_options(config.vad_options, OF_DETECTION)
    check_vad(vad, _DETECTION_LIMITS)
    return DetectionOptions(pcm, vad)


def vad_options(told: pb.VadOptions, default: VadOptions) -> VadOptions:
    """What counts as speech; what is not told is as the default has it."""
    return replace(default, **{field.name: value for field, value in told.ListFields()})


def _pcm_of(config: _Sampled) -> Pcm:
    rate = config.sample_rate or _DEFAULT_RATE
    if not _RATES[0] <= rate <= _RATES[1]:
        raise InvalidInputError.at(
            "config.sample_rate", "{field} must be from {low:,} to {high:,}", low=_RATES[0], high=_RATES[1]
        )
    return Pcm(rate, known(_IS_FLOAT, config.sample_format, "config.sample_format"))


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


def part_response(model: str, part: SpokenPart) -> pb.StreamDetectSpeechResponse:
    """The message of a part that is speech."""
    segment = pb.SpeechSegment(start_seconds=part.start, end_seconds=part.end)
    return pb.StreamDetectSpeechResponse(model=model, index=part.index, is_final=part.is_final, segment=segment)
