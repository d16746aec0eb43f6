"""Audio of commands: from files and standard input, whole or as it comes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from panope_server.cli.output.console import console, fail

if TYPE_CHECKING:
    from panope_client import Client

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
        rate: of the samples, in a second.
        json: whether each utterance is a line of JSON.
    """

    model: str
    language: str
    translate: bool
    prompt: str
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
    utterances = client.live_transcribe(
        _pieces(source),
        asked.model,
        language=asked.language,
        translate=asked.translate,
        prompt=asked.prompt,
        sample_rate=asked.rate,
        partial_interval_seconds=1.0 if is_shown else 0.0,
    )
    for each in utterances:
        if asked.json:
            told = {"start": round(each.start_seconds, 2), "end": round(each.end_seconds, 2), "text": each.text}
            console.print(json.dumps(told, ensure_ascii=False), soft_wrap=True)
        elif each.is_final:
            console.file.write(_OVER * is_shown)
            console.print(each.text, soft_wrap=True)
        else:
            console.file.write(_OVER + each.text[-(console.width - 2) :])
            console.file.flush()


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    read = getattr(source, "read1", source.read)
    while piece := read(_PIECE_BYTES):
        yield piece
