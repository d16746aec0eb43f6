"""What was said, in the forms that callers ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict

import msgspec

from panope_server.tasks.speech.transcribe import TranscribeInput, TranscribeOutput, TranscriptSegment
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


class WordJson(TypedDict):
    """A word of what was said.

    Attributes:
        word: With the marks beside it.
        start: Seconds.
        end: Seconds.
    """

    word: str
    start: float
    end: float


class VerboseTranscriptionJson(TypedDict):
    """The answer `verbose_json`.

    Attributes:
        language: Its code; empty for a model of one language.
        duration: Seconds of the audio.
        segments: Where `timestamp_granularities` has `segment`, or is absent.
        words: Where `timestamp_granularities` has `word`.
    """

    task: Literal["transcribe", "translate"]
    language: str
    duration: float
    text: str
    segments: NotRequired[list[SegmentJson]]
    words: NotRequired[list[WordJson]]
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


@dataclass(frozen=True)
class Shown:
    """What `verbose_json` tells beside the text.

    Attributes:
        translate: whether English was written, whatever was spoken.
        temperature: of the call.
        segments: whether they are told.
        words: whether they are told.
    """

    translate: bool = False
    temperature: float = 0.0
    segments: bool = True
    words: bool = False


def written(output: TranscribeOutput, kind: Format, shown: Shown) -> tuple[str, bytes]:
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
            return JSON, msgspec.json.encode(_verbose(output, shown))
    return JSON, msgspec.json.encode(TranscriptionJson(text=output.text, usage=usage_of(output.duration)))


def usage_of(seconds: float) -> TranscriptionUsageJson:
    """As OpenAI counts it."""
    return {"type": "duration", "seconds": round(seconds, 3)}


def recognition(output: TranscribeOutput, asked: TranscribeInput) -> RecognitionJson:
    """The answer in Hugging Face's form."""
    if not (asked.timestamps or asked.words):
        return {"text": output.text}
    pieces = output.words if asked.words else output.segments
    told: list[ChunkJson] = [
        {"text": each.text, "timestamp": [round(each.start, 2), round(each.end, 2)]} for each in pieces
    ]
    return {"text": output.text, "chunks": told}


def _verbose(output: TranscribeOutput, shown: Shown) -> VerboseTranscriptionJson:
    answer: VerboseTranscriptionJson = {
        "task": "translate" if shown.translate else "transcribe",
        "language": output.language,
        "duration": output.duration,
        "text": output.text,
        "usage": usage_of(output.duration),
    }
    if shown.segments:
        answer["segments"] = [_segment(each, shown.temperature) for each in output.segments]
    if shown.words:
        answer["words"] = [
            {"word": each.text.strip(), "start": round(each.start, 2), "end": round(each.end, 2)}
            for each in output.words
        ]
    return answer


def _segment(segment: TranscriptSegment, temperature: float) -> SegmentJson:
    return {
        "id": segment.index,
        "seek": round(segment.start * 100),
        "start": round(segment.start, 2),
        "end": round(segment.end, 2),
        "text": segment.text,
        "tokens": segment.token_ids,
        "temperature": temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
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
