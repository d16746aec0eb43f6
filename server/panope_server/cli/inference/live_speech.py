"""Audio of commands: from files and standard input, whole or as it comes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from panope_server.cli.output.console import console, fail, note

if TYPE_CHECKING:
    from panope.v1.speech_service_pb2 import VadOptions
    from panope_client import Client
    from panope_client.messages.speech import DetectSpeechOptions

#: Of one read: a tenth of a second at 16,000 samples in a second.
_PIECE_BYTES = 3200

#: Writes over the line that is there.
_OVER = "\x1b[2K\r"


def opened(file: Path) -> AbstractContextManager[BinaryIO]:
    """A file, or standard input for `-`; ends the command where it cannot be opened."""
    if str(file) == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return file.open("rb")
    except OSError as error:
        fail(f"{file}: {error.strerror}")


def read_audio(file: Path) -> bytes:
    """All of a file, or of standard input for `-`; ends the command where it cannot be read."""
    try:
        with opened(file) as source:
            return source.read()
    except OSError as error:
        fail(f"{file}: {error.strerror}")


@dataclass(frozen=True)
class Asked:
    """How a stream is transcribed and printed.

    Attributes:
        model: that transcribes.
        language: that is spoken; empty for what the model hears.
        translate: whether English is written.
        prompt: what was said before.
        vad: what counts as speech; what is left out is the server's default.
        rate: of the samples, in a second.
        json: whether each utterance is a line of JSON.
    """

    model: str
    language: str
    translate: bool
    prompt: str
    vad: VadOptions
    rate: int
    json: bool


def print_live(client: Client, source: BinaryIO, asked: Asked) -> None:
    """Prints what is said while it comes; in a terminal the line of an utterance changes until it has ended.

    Args:
        client: of the server.
        source: of samples of 16 bits.
        asked: how.
    """
    is_shown = console.is_terminal and not asked.json
    is_heard = False
    utterances = client.live_transcribe(
        _pieces(source),
        asked.model,
        language=asked.language,
        translate=asked.translate,
        prompt=asked.prompt,
        vad_options=asked.vad,
        sample_rate=asked.rate,
        partial_interval_seconds=1.0 if is_shown else 0.0,
    )
    for each in utterances:
        is_heard = True
        if asked.json:
            told = {"start": round(each.start_seconds, 2), "end": round(each.end_seconds, 2), "text": each.text}
            console.print(json.dumps(told, ensure_ascii=False), soft_wrap=True)
        elif each.is_final:
            console.file.write(_OVER * is_shown)
            console.print(each.text, soft_wrap=True)
        else:
            console.file.write(_OVER + each.text[-(console.width - 2) :])
            console.file.flush()
    if not is_heard:
        note("no words were heard")


def print_live_parts(
    client: Client, source: BinaryIO, model: str, vad: DetectSpeechOptions, rate: int, *, json_lines: bool
) -> None:
    """Prints which parts are speech while it comes, each when it has ended.

    Args:
        client: of the server.
        source: of samples of 16 bits.
        model: that transcribes.
        vad: what counts as speech; what is left out is the server's default.
        rate: of the samples, in a second.
        json_lines: whether each part is a line of JSON.
    """
    is_heard = False
    for each in client.stream_detect_speech(_pieces(source), model, sample_rate=rate, **vad):
        is_heard = True
        start, end = each.segment.start_seconds, each.segment.end_seconds
        if not each.is_final:
            continue
        line = json.dumps({"start": round(start, 3), "end": round(end, 3)}) if json_lines else part_line(start, end)
        console.print(line, soft_wrap=True)
    if not is_heard:
        note("no speech was found")


def part_line(start: float, end: float) -> str:
    """A part of audio, in seconds."""
    return f"{start:8.2f} {end:8.2f}"


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    read = getattr(source, "read1", source.read)
    while piece := read(_PIECE_BYTES):
        yield piece
