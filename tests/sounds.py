"""Samples and WAV files of tests of speech."""

from __future__ import annotations

import io
import wave
from typing import Any

import numpy as np

from panope_backends.media.audio import decode_audio
from panope_backends.media.limits import MediaLimits

RATE = 16_000

Samples = np.ndarray[Any, Any]


def words(text: str) -> list[str]:
    """Without what models differ in: case and marks."""
    return "".join(sign for sign in text.lower() if sign.isalnum() or sign.isspace()).split()


def samples_of(file: bytes) -> Samples:
    """What an audio file has, of one channel."""
    return decode_audio(file, RATE, MediaLimits())


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.float32)


def pcm(*parts: Samples) -> bytes:
    """Samples of 16 bits, one part behind the other."""
    return bytes(np.clip(np.concatenate(parts) * 32768, -32768, 32767).astype("<i2").tobytes())


def wav(*parts: Samples) -> bytes:
    """The same as a file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(pcm(*parts))
    return file.getvalue()
