"""`panope transcribe`, `panope detect-speech` and `panope speak`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panope_server.cli.options import Address, Json, Model, finite
from panope_server.cli.output.console import console, fail, note, print_json
from panope_server.cli.output.files import check_file
from panope_server.cli.server.live_speech import Asked, opened, print_live, read_audio
from panope_server.cli.server.models import client_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from panope.v1.speech_service_pb2 import TranscribeResponse, TranscriptionSegment, TranscriptionWord


class Format(StrEnum):
    """How what was said is printed."""

    TEXT = "text"
    SRT = "srt"
    VTT = "vtt"


def transcribe(
    model: Model,
    file: Annotated[
        Path, typer.Argument(help="The audio file: WAV, MP3, FLAC, Ogg, AAC, M4A or WebM; `-` for standard input.")
    ],
    language: Annotated[str, typer.Option(help="That is spoken, such as `en`; by default what the model hears.")] = "",
    translate: Annotated[bool, typer.Option("--translate", help="Write English, whatever is spoken.")] = False,
    prompt: Annotated[str, typer.Option(help="What was said before, or names as they are written.")] = "",
    vad: Annotated[
        bool | None,
        typer.Option("--vad/--no-vad", help="Leave silence out; by default where the server has the detector."),
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="`srt` and `vtt` are subtitles.")] = Format.TEXT,
    words: Annotated[
        bool, typer.Option("--words", help="Print when each word was said; of JSON, in `words` of segments.")
    ] = False,
    live: Annotated[
        bool,
        typer.Option("--live", help="Print utterances while they come: samples of 16 bits, one channel, no header."),
    ] = False,
    rate: Annotated[int, typer.Option(min=8000, max=48_000, help="Of the samples of `--live`, in a second.")] = 16_000,
    address: Address = None,
    json: Json = False,
) -> None:
    """Transcribe an audio file, or speech while it is spoken."""
    if words and output is not Format.TEXT:
        fail("`--words` goes with no subtitles")
    if live:
        if output is not Format.TEXT or words or vad is not None:
            fail("`--live` prints plain text, or JSON by `--json`, and always leaves silence out")
        asked = Asked(model, language, translate, prompt, rate, json)
        with opened(file) as source, client_at(address) as client:
            print_live(client, source, asked)
        return
    audio = read_audio(file)
    with client_at(address) as client:
        answer = client.transcribe(
            audio,
            model,
            language=language,
            translate=translate,
            prompt=prompt,
            timestamps=json or output is not Format.TEXT,
            vad=vad,
            words=words,
        )
    if json:
        print_json(_json(answer, words=words))
        return
    if not answer.text:
        note("no words were heard" + ("" if vad is False else "; --no-vad transcribes silence and singing too"))
    if words:
        for line in _word_lines(answer):
            console.print(line, soft_wrap=True)
    elif answer.text or output is not Format.TEXT:
        console.print(_written(answer, output), soft_wrap=True)


def detect_speech(
    model: Model,
    file: Annotated[
        Path, typer.Argument(help="The audio file: WAV, MP3, FLAC, Ogg, AAC, M4A or WebM; `-` for standard input.")
    ],
    threshold: Annotated[
        float, typer.Option(min=0, max=1, callback=finite, help="The probability from which a moment is speech.")
    ] = 0.5,
    min_silence: Annotated[
        float, typer.Option(min=0, callback=finite, help="Shorter silence, in seconds, does not part speech.")
    ] = 0.1,
    min_speech: Annotated[
        float, typer.Option(min=0, callback=finite, help="Shorter speech, in seconds, is not told.")
    ] = 0.25,
    padding: Annotated[float, typer.Option(min=0, callback=finite, help="Seconds told before and after speech.")] = 0.0,
    address: Address = None,
    json: Json = False,
) -> None:
    """Print which parts of an audio file are speech, in seconds."""
    audio = read_audio(file)
    with client_at(address) as client:
        answer = client.detect_speech(
            audio,
            model,
            threshold=threshold,
            min_silence_seconds=min_silence,
            min_speech_seconds=min_speech,
            padding_seconds=padding,
        )
    if json:
        segments = [
            {"start": round(each.start_seconds, 3), "end": round(each.end_seconds, 3)} for each in answer.segments
        ]
        print_json({"duration": answer.duration_seconds, "segments": segments})
        return
    if not answer.segments:
        note("no speech was found")
    for each in answer.segments:
        console.print(f"{each.start_seconds:8.2f} {each.end_seconds:8.2f}")


class FileFormat(StrEnum):
    """The kind of an audio file."""

    WAV = "wav"
    MP3 = "mp3"
    FLAC = "flac"
    OPUS = "opus"
    AAC = "aac"
    PCM = "pcm"


#: What other names of files end in.
_ENDINGS = {"ogg": FileFormat.OPUS, "raw": FileFormat.PCM}


def speak(
    model: Model,
    text: Annotated[str, typer.Argument(help="The text; `-` reads it from standard input.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The audio file to write.")] = Path("speech.wav"),
    voice: Annotated[str, typer.Option(help="One of the model's; by default its first.")] = "",
    speed: Annotated[float, typer.Option(min=0.25, max=4, help="1 for as fast as it was trained to speak.")] = 1.0,
    seed: Annotated[int | None, typer.Option(min=0, help="Makes the same audio each time.")] = None,
    ipa: Annotated[bool, typer.Option("--ipa", help="The text is phonemes, for models that speak them.")] = False,
    output: Annotated[
        FileFormat | None, typer.Option("--format", help="Of the file; by default what its name ends in.")
    ] = None,
    address: Address = None,
    json: Json = False,
) -> None:
    """Speak a text into an audio file."""
    kind = output or _format_of(out)
    check_file("--out", out)
    with client_at(address) as client:
        answer = client.speak(
            sys.stdin.read() if text == "-" else text,
            model,
            voice=voice,
            speed=speed,
            seed=seed,
            format=kind.value,
            input_format="ipa" if ipa else "text",
        )
    try:
        out.write_bytes(answer.audio.content)
    except OSError as error:
        fail(f"{out}: {error.strerror}")
    if json:
        print_json({"file": str(out), "duration": answer.duration_seconds, "sample_rate": answer.sample_rate})
    else:
        console.print(f"{out}: {answer.duration_seconds:.1f} s")


def _format_of(file: Path) -> FileFormat:
    ending = file.suffix.lower().removeprefix(".")
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    if ending not in {each.value for each in FileFormat}:
        fail(f"{file}: say its kind by `--format`: {', '.join(FileFormat)}")
    return FileFormat(ending)


def _json(answer: TranscribeResponse, *, words: bool) -> dict[str, object]:
    return {
        "text": answer.text,
        "language": answer.language,
        "duration": answer.duration_seconds,
        "segments": [
            _times(each) | ({"words": list(map(_times, each.words))} if words else {}) for each in answer.segments
        ],
    }


def _times(piece: TranscriptionSegment | TranscriptionWord) -> dict[str, object]:
    return {"start": round(piece.start_seconds, 2), "end": round(piece.end_seconds, 2), "text": piece.text}


def _word_lines(answer: TranscribeResponse) -> Iterator[str]:
    for segment in answer.segments:
        for word in segment.words:
            yield f"{word.start_seconds:8.2f} {word.end_seconds:8.2f}  {word.text.strip()}"


def _written(answer: TranscribeResponse, output: Format) -> str:
    from panope_server.tasks.speech.transcribe import TranscribeOutput, TranscriptSegment
    from panope_server.transport.rest.speech.formats import Shown, written

    segments = [
        TranscriptSegment(each.index, each.start_seconds, each.end_seconds, each.text, (), 0.0, 0.0)
        for each in answer.segments
    ]
    _, data = written(TranscribeOutput(segments), output.value, Shown())
    return data.decode().rstrip("\n")
