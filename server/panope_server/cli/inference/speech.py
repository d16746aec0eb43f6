"""`panope transcribe`, `panope detect-speech` and `panope speak`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panope_server.cli.client import client_for
from panope_server.cli.inference.live_speech import (
    Asked,
    opened,
    part_line,
    print_live,
    print_live_parts,
    read_audio,
)
from panope_server.cli.options import Address, Json, Model
from panope_server.cli.output.console import console, fail, note, print_json
from panope_server.cli.output.files import check_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from panope.v1.speech_service_pb2 import TranscribeResponse, TranscriptionSegment, TranscriptionWord
    from panope_client.messages.speech import DetectSpeechOptions


AudioFile = Annotated[
    Path, typer.Argument(help="The audio file: WAV, MP3, FLAC, Ogg, AAC, M4A or WebM; `-` for standard input.")
]
Threshold = Annotated[float | None, typer.Option(help="The probability from which a moment is speech; 0.5 by default.")]
MinSilence = Annotated[
    float | None,
    typer.Option(
        help="Shorter silence, in seconds, does not part speech; 2 by default, 0.7 live, 0.1 of detect-speech."
    ),
]
MinSpeech = Annotated[
    float | None,
    typer.Option(help="Shorter speech, in seconds, is none; 0 by default, 0.1 live, 0.25 of detect-speech."),
]
Padding = Annotated[
    float | None,
    typer.Option(help="Seconds kept before and after speech; 0.4 by default, 0.2 live, 0 of detect-speech."),
]
Rate = Annotated[int, typer.Option(min=8000, max=48_000, help="Of the samples of `--live`, in a second.")]


class Format(StrEnum):
    """How what was said is printed."""

    TEXT = "text"
    SRT = "srt"
    VTT = "vtt"


def transcribe(
    model: Model,
    file: AudioFile,
    language: Annotated[str, typer.Option(help="That is spoken, such as `en`; by default what the model hears.")] = "",
    translate: Annotated[bool, typer.Option("--translate", help="Write English, whatever is spoken.")] = False,
    prompt: Annotated[str, typer.Option(help="What was said before, or names as they are written.")] = "",
    vad: Annotated[
        bool | None,
        typer.Option("--vad/--no-vad", help="Leave silence out; by default where the server has the detector."),
    ] = None,
    threshold: Threshold = None,
    min_silence: MinSilence = None,
    min_speech: MinSpeech = None,
    padding: Padding = None,
    output: Annotated[Format, typer.Option("--format", help="`srt` and `vtt` are subtitles.")] = Format.TEXT,
    words: Annotated[
        bool, typer.Option("--words", help="Print when each word was said; of JSON, in `words` of segments.")
    ] = False,
    live: Annotated[
        bool,
        typer.Option("--live", help="Print utterances while they come: samples of 16 bits, one channel, no header."),
    ] = False,
    rate: Rate = 16_000,
    address: Address = None,
    json: Json = False,
) -> None:
    """Transcribe an audio file, or speech while it is spoken."""
    from panope.v1.speech_service_pb2 import VadOptions

    speech = VadOptions(**_vad(threshold, min_silence, min_speech, padding))
    if output is not Format.TEXT and (words or json):
        fail(f"`--format {output}` has no {'words' if words else 'JSON'}: leave out one of both")
    if live:
        if output is not Format.TEXT or words or vad is not None:
            fail("`--live` prints plain text, or JSON by `--json`, and always leaves silence out")
        asked = Asked(model, language, translate, prompt, speech, rate, json)
        with opened(file) as source, client_for(model, address) as client:
            print_live(client, source, asked)
        return
    audio = read_audio(file)
    with client_for(model, address) as client:
        answer = client.transcribe(
            audio,
            model,
            language=language,
            translate=translate,
            prompt=prompt,
            timestamps=json or output is not Format.TEXT,
            vad=vad,
            vad_options=speech if speech.ListFields() else None,
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
    file: AudioFile,
    threshold: Threshold = None,
    min_silence: MinSilence = None,
    min_speech: MinSpeech = None,
    padding: Padding = None,
    live: Annotated[
        bool, typer.Option("--live", help="Print parts while they come: samples of 16 bits, one channel, no header.")
    ] = False,
    rate: Rate = 16_000,
    address: Address = None,
    json: Json = False,
) -> None:
    """Print which parts of an audio file are speech, in seconds, or of speech while it is spoken."""
    vad = _vad(threshold, min_silence, min_speech, padding)
    if live:
        with opened(file) as source, client_for(model, address) as client:
            print_live_parts(client, source, model, vad, rate, json_lines=json)
        return
    audio = read_audio(file)
    with client_for(model, address) as client:
        answer = client.detect_speech(audio, model, **vad)
    if json:
        segments = [
            {"start": round(each.start_seconds, 3), "end": round(each.end_seconds, 3)} for each in answer.segments
        ]
        print_json({"duration": answer.duration_seconds, "segments": segments})
        return
    if not answer.segments:
        note("no speech was found")
    for each in answer.segments:
        console.print(part_line(each.start_seconds, each.end_seconds))


def _vad(
    threshold: float | None, min_silence: float | None, min_speech: float | None, padding: float | None
) -> DetectSpeechOptions:
    """What counts as speech, as far as it was said."""
    told: DetectSpeechOptions = {
        "threshold": threshold,
        "min_silence_seconds": min_silence,
        "min_speech_seconds": min_speech,
        "padding_seconds": padding,
    }
    return told


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
    with client_for(model, address) as client:
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
