"""Samples without a header, of one channel, and as a WAV file of them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

#: WAVE's numbers for samples that are whole numbers, and those that are not.
_INTEGERS, _FLOATS = 1, 3


@dataclass(frozen=True, slots=True)
class Pcm:
    """How samples are written, little-endian.

    Attributes:
        rate: of them, in a second.
        is_float: whether each is a float of 32 bits; otherwise a whole number of 16.
    """

    rate: int
    is_float: bool = False

    @property
    def sample_bytes(self) -> int:
        """Of one sample."""
        return 4 if self.is_float else 2

    def bytes_of(self, seconds: float) -> int:
        """So long a time, in whole samples."""
        return round(seconds * self.rate) * self.sample_bytes

    def seconds_of(self, size_bytes: int) -> float:
        """So many bytes."""
        return size_bytes / self.sample_bytes / self.rate

    def wav(self, data: bytes | bytearray) -> bytes:
        """A file of them."""
        kind = _FLOATS if self.is_float else _INTEGERS
        size = self.sample_bytes
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, kind, 1, self.rate, self.rate * size, size, 8 * size)
        return b"".join(
            (
                b"RIFF",
                struct.pack("<I", 20 + len(form) + len(data)),
                b"WAVE",
                form,
                b"data",
                struct.pack("<I", len(data)),
                data,
            )
        )
