"""The messages of transcriptions, and what they call fields of the task's input."""

from __future__ import annotations

from collections.abc import Iterable

from panope.v1 import speech_service_pb2 as pb
from panope_server.tasks.speech.transcribe import TranscribeInput, TranscriptSegment
from panope_server.tasks.speech.vad import FIELD, VadOptions
from panope_server.transport.field_names import FieldNames
from panope_server.transport.grpc.sent_file import SentFile
from panope_server.transport.grpc.speech.live import vad_options

_OPTIONS = ("language", "translate", "prompt", "temperature", "seed", "timestamps", "vad", "vad_options", "words")


def transcribe_input(audio: SentFile, options: pb.TranscriptionOptions, *, stream: bool) -> TranscribeInput:
    """The task's input."""
    return TranscribeInput(
        audio.content,
        options.language,
        options.translate,
        options.prompt,
        options.temperature,
        options.seed if options.HasField("seed") else None,
        options.timestamps,
        stream,
        options.vad if options.HasField("vad") else None,
        vad_options(options.vad_options, VadOptions()) if options.HasField("vad_options") else None,
        options.words,
        url=audio.url,
    )


def names_of(audio: SentFile) -> FieldNames:
    """What a request with this audio calls fields of the input."""
    return FieldNames({"audio": audio.field, **{name: f"options.{name}" for name in _OPTIONS}})


LIVE_NAMES = FieldNames({name: f"config.options.{name}" for name in _OPTIONS})
"""What a stream of audio calls fields of the input: its first message has the options."""

LIVE_DETECTION_NAMES = FieldNames({FIELD: f"config.{FIELD}"})
"""As `LIVE_NAMES`, where speech is looked for."""


def segment_messages(segments: Iterable[TranscriptSegment]) -> Iterable[pb.TranscriptionSegment]:
    """The segments of an answer."""
    return map(_segment, segments)


def _segment(segment: TranscriptSegment) -> pb.TranscriptionSegment:
    return pb.TranscriptionSegment(
        index=segment.index,
        start_seconds=segment.start,
        end_seconds=segment.end,
        text=segment.text,
        token_ids=segment.token_ids,
        avg_logprob=segment.avg_logprob,
        compression_ratio=segment.compression_ratio,
        words=[
            pb.TranscriptionWord(text=word.text, start_seconds=word.start, end_seconds=word.end)
            for word in segment.words
        ],
    )
