"""Media that workloads are made of: drawn and sounded by a seed, and written by the standard library alone."""

from __future__ import annotations

import io
import struct
import wave
import zlib

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000

#: Of a digit's seven strokes, from the upper one as the hands of a clock turn, the middle one last: those that it has.
_STROKES = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")
_PLACES = {
    "a": (slice(0, 1), slice(0, 4)),
    "b": (slice(0, 4), slice(3, 4)),
    "c": (slice(3, 7), slice(3, 4)),
    "d": (slice(6, 7), slice(0, 4)),
    "e": (slice(3, 7), slice(0, 1)),
    "f": (slice(0, 4), slice(0, 1)),
    "g": (slice(3, 4), slice(0, 4)),
}


def image(seed: int, width: int = 320, height: int = 240) -> bytes:
    """A PNG file: a gradient with some discs and rectangles, so that there are edges, areas and colours."""
    source = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack([columns * 255 / width, rows * 255 / height, np.full((height, width), 128.0)], axis=2)
    for _ in range(6):
        x, y, size = source.integers(0, width), source.integers(0, height), source.integers(10, height // 3)
        colour = source.integers(0, 256, 3)
        if source.random() < 0.5:
            inside = (columns - x) ** 2 + (rows - y) ** 2 < size**2
        else:
            inside = (abs(columns - x) < size) & (abs(rows - y) < size // 2)
        pixels[inside] = colour
    return png(pixels.astype(np.uint8))


def page(seed: int, lines: int = 6, digits: int = 12) -> bytes:
    """A PNG file: lines of digits, black on white, as a display shows them."""
    source, unit = np.random.default_rng(seed), 4
    height, width = 2 + lines * 11, 2 + digits * 6
    pixels = np.full((height, width), 255, np.uint8)
    for line in range(lines):
        for place, digit in enumerate(source.integers(0, 10, digits)):
            cell = pixels[2 + line * 11 : 9 + line * 11, 2 + place * 6 : 6 + place * 6]
            for stroke in _STROKES[digit]:
                cell[_PLACES[stroke]] = 0
    return png(np.repeat(np.repeat(pixels, unit, axis=0), unit, axis=1)[:, :, None].repeat(3, axis=2))


def png(pixels: NDArray[np.uint8]) -> bytes:
    """The PNG file of pixels, height × width × 3."""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, width * 3)], axis=1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def video(seed: int, width: int = 96, height: int = 64, frames: int = 3) -> bytes:
    """An AVI file of ten frames a second, as they are: an image from which something moves away."""
    source = np.random.default_rng(seed)
    pixels = source.integers(0, 256, (height // 8, width // 8, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    # Frames stand on their heads there, in BGR.
    data = b"".join(
        _riff(b"00db", np.roll(pixels, 4 * at, axis=1)[::-1, :, ::-1].astype(np.uint8).tobytes())
        for at in range(frames)
    )
    size = width * height * 3
    head = struct.pack("<14I", 100_000, size * 10, 0, 0x10, frames, 0, 1, size, width, height, 0, 0, 0, 0)
    stream = struct.pack(
        "<4s4sIHHIIIIIIIIHHHH", b"vids", b"DIB ", 0, 0, 0, 0, 1, 10, 0, frames, size, 0, 0, 0, 0, width, height
    )
    form = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, size, 0, 0, 0, 0)
    streams = _riff(b"LIST", b"strl" + _riff(b"strh", stream) + _riff(b"strf", form))
    header = _riff(b"LIST", b"hdrl" + _riff(b"avih", head) + streams)
    return _riff(b"RIFF", b"AVI " + header + _riff(b"LIST", b"movi" + data))


def _riff(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def audio(seed: int, seconds: float = 5.0) -> bytes:
    """A WAV file of 16 kHz: tones with the harmonics and the pauses of a voice, which nobody understands."""
    source = np.random.default_rng(seed)
    count = int(seconds * SAMPLE_RATE)
    moments = np.arange(count) / SAMPLE_RATE
    pitch = 120 + 40 * np.sin(2 * np.pi * 0.5 * moments + source.random())
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    sound = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 12))
    loud = np.clip(np.sin(2 * np.pi * 2.5 * moments) + 0.6, 0, 1)
    samples = 0.15 * sound * loud + 0.003 * source.standard_normal(count)
    return wav((np.clip(samples, -1, 1) * 32767).astype("<i2"))


def wav(samples: NDArray[np.int16]) -> bytes:
    """The WAV file of samples of one channel."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(samples.tobytes())
    return file.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
