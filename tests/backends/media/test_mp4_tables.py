"""Files of MP4 whose few bytes tell of tables without end are refused before any table is made."""

from __future__ import annotations

import io
import struct
from typing import Any

import av
import numpy as np
import pytest
from tests.backends.tasks.frame_interpolation.videos import lossless, moving

from panope_backends.errors import InvalidInputError
from panope_backends.media.audio import decode_audio
from panope_backends.media.limits import MediaLimits
from panope_backends.media.mp4_tables import refuse_endless_tables
from panope_backends.media.video_reader import VideoReader

LIMITS = MediaLimits()
MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def box(name: bytes, *parts: bytes, is_long: bool = False) -> bytes:
    content = b"".join(parts)
    if is_long:
        return struct.pack(">I4sQ", 1, name, 16 + len(content)) + content
    return struct.pack(">I4s", 8 + len(content), name) + content


def full(name: bytes, *numbers: int, is_long: bool = False) -> bytes:
    return box(name, struct.pack(f">{1 + len(numbers)}I", 0, *numbers), is_long=is_long)


def film(*tables: bytes, edits: bytes = b"", after: bytes = b"") -> bytes:
    """A video of Motion JPEG, with one frame's bytes."""
    told = struct.pack(">HHIIIH", 64, 48, 0x480000, 0x480000, 0, 1) + bytes(32) + struct.pack(">Hh", 24, -1)
    entry = box(b"jpeg", bytes(6), b"\0\1", bytes(16), told)
    header = box(
        b"tkhd", struct.pack(">6I", 0, 0, 0, 1, 0, 1000), bytes(16), MATRIX, struct.pack(">II", 64 << 16, 48 << 16)
    )
    handler = box(b"hdlr", bytes(8), b"vide", bytes(14))
    described = box(b"stsd", struct.pack(">II", 0, 1), entry)
    source = box(b"dinf", box(b"dref", struct.pack(">II", 0, 1), full(b"url ")))
    media = box(b"minf", full(b"vmhd", 0, 0), source, box(b"stbl", described, *tables))
    track = box(b"trak", header, edits, box(b"mdia", full(b"mdhd", 0, 0, 1000, 1000, 0), handler, media))
    movie = box(b"mvhd", struct.pack(">5I", 0, 0, 0, 1000, 1000), bytes(16), MATRIX, bytes(28))
    return box(b"ftyp", b"isom\0\0\2\0isom") + box(b"mdat", bytes(64)) + box(b"moov", movie, track) + after


def tables(count: int, size: int = 1, *, is_long: bool = False) -> tuple[bytes, ...]:
    chunks = (full(b"stsc", 1, 1, count, 1), full(b"stco", 1, 40))
    return full(b"stts", 1, count, 1), *chunks, full(b"stsz", size, count, is_long=is_long)


EDITS = box(b"edts", box(b"elst", struct.pack(">II", 0, 2000), struct.pack(">IiI", 1000, 0, 0x10000) * 2000))
FRAGMENT = box(b"moof", box(b"traf", full(b"tfhd", 1), full(b"trun", 80_000_000)))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (film(*tables(80_000_000)), "it tells of 80,000,000 samples, and has not so many bytes"),
        (film(*tables(80_000_000, is_long=True)), "it tells of 80,000,000 samples"),
        (film(*tables(1000, 1 << 20)), "samples, and has not so many bytes"),
        (film(*tables(10_000), edits=EDITS), "shows the same samples again and again; 4,000,000"),
        (film(*tables(1), after=FRAGMENT), "it tells of 80,000,001 samples"),
        (film(full(b"stsc", 1, 1, 0xFFFFFFFF, 1), full(b"stco", 1, 40)), "again and again"),
        (film(box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd"))), "a compressed header, which is not read"),
        (film(*tables(1), after=b"\0\0\0\x08trun" * 100_001), "more than 100,000 boxes of one kind"),
    ],
)
def test_a_file_of_few_bytes_with_tables_without_end_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        VideoReader(data, LIMITS)
    with pytest.raises(InvalidInputError, match=words):
        decode_audio(data, 16_000, LIMITS)


def test_a_name_by_chance_outside_of_tracks_counts_for_nothing() -> None:
    art = box(b"free", b"\xff\xff\xff\xffstsz" + b"\xff" * 12)
    refuse_endless_tables(film(*tables(1), after=art), "video")


def test_a_long_recording_as_it_is_is_read() -> None:
    sink = io.BytesIO()
    with av.open(sink, "w", format="mov") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=48_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 48_000 * 90), np.int16), format="s16", layout="stereo")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert decode_audio(sink.getvalue(), 8_000, LIMITS).size == 8_000 * 90, "4,320,000 samples, each with its bytes"


def test_a_file_in_fragments_is_read() -> None:
    sink = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov"}
    with (
        av.open(sink, "w", format="mp4", options=options) as container,
        av.open(io.BytesIO(lossless(moving(6)))) as given,
    ):
        stream: Any = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in given.decode(video=0):
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode())
    reader = VideoReader(sink.getvalue(), LIMITS)
    assert sum(part is not None for part in reader.parts()) == 6
    reader.close()
