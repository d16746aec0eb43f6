"""What was said, in the forms that callers ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NotRequired, TypedDict

import msgspec

from panope_server.tasks.transcribe import TranscribeOutput, TranscriptSegment
from panope_server.transport.rest.json.requests import JSON
from panope_server.transport.rest.speech.fields import Format

TEXT = "text/plain; charset=utf-8"
VTT = "text/vtt; charset=utf-8"


class TranscriptionUsageJson(TypedDict):
    """What a transcription took: the seconds of its audio."""

    type: Literal["duration"]
    seconds: float


class TranscriptionJson(TypedDict):
    """The answer `json`."""

    text: str
    usage: TranscriptionUsageJson


class SegmentJson(TypedDict):
    """A piece of what was said.

    Attributes:
        start: Seconds.
        end: Seconds.
        seek: Seconds in hundredths where it starts.
        tokens: Of the model, timestamps included.
        avg_logprob: The mean of the tokens' log-probabilities, over its window.
        compression_ratio: Of its window's text.
    """

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: Sequence[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float


class VerboseTranscriptionJson(TypedDict):
    """The answer `verbose_json`.

    Attributes:
        language: Its code; empty for a model of one language.
        duration: Seconds of the audio.
    """

    task: Literal["transcribe", "translate"]
    language: str
    duration: float
    text: str
    segments: list[SegmentJson]
    usage: TranscriptionUsageJson


class ChunkJson(TypedDict):
    """A piece of what was said, in Hugging Face's form.

    Attributes:
        timestamp: Where it starts and ends, in seconds.
    """

    text: str
    timestamp: list[float]


class RecognitionJson(TypedDict):
    """The answer of a speech recognition in Hugging Face's form."""

    text: str
    chunks: NotRequired[list[ChunkJson]]


def written(output: TranscribeOutput, kind: Format, *, translate: bool, temperature: float) -> tuple[str, bytes]:
    """An answer's content type and its bytes."""
    match kind:
        case "text":
            return TEXT, f"{output.text}\n".encode()
        case "srt":
            lines = (_cue(str(each.index + 1), each, ",") for each in output.segments)
            return TEXT, "\n".join(lines).encode()
        case "vtt":
            return VTT, "\n".join(("WEBVTT\n", *(_cue("", each, ".") for each in output.segments))).encode()
        case "verbose_json":
            return JSON, msgspec.json.encode(_verbose(output, translate=translate, temperature=temperature))
    return JSON, msgspec.json.encode(TranscriptionJson(text=output.text, usage=usage_of(output.duration)))


def usage_of(seconds: float) -> TranscriptionUsageJson:
    """As OpenAI counts it."""
    return {"type": "duration", "seconds": round(seconds, 3)}


def recognition(output: TranscribeOutput, *, chunks: bool) -> RecognitionJson:
    """The answer in Hugging Face's form."""
    if not chunks:
        return {"text": output.text}
    told: list[ChunkJson] = [
        {"text": each.text, "timestamp": [round(each.start, 2), round(each.end, 2)]} for each in output.segments
    ]
    return {"text": output.text, "chunks": told}


def _verbose(output: TranscribeOutput, *, translate: bool, temperature: float) -> VerboseTranscriptionJson:
    return {
        "task": "translate" if translate else "transcribe",
        "language": output.language,
        "duration": output.duration,
        "text": output.text,
        "segments": [
            {
                "id": each.index,
                "seek": round(each.start * 100),
                "start": round(each.start, 2),
                "end": round(each.end, 2),
                "text": each.text,
                "tokens": each.token_ids,
                "temperature": temperature,
                "avg_logprob": each.avg_logprob,
                "compression_ratio": each.compression_ratio,
            }
            for each in output.segments
        ],
        "usage": usage_of(output.duration),
    }


def _cue(name: str, segment: TranscriptSegment, point: str) -> str:
    """A subtitle; `-->` within a text would be taken for times."""
    times = f"{_clock(segment.start, point)} --> {_clock(segment.end, point)}"
    text = segment.text.strip().replace("-->", "->")
    return "\n".join(line for line in (name, times, text) if line) + "\n"


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    whole, rest = divmod(rest, 1000)
    return f"{hours:02}:{minutes:02}:{whole:02}{point}{rest:03}"
