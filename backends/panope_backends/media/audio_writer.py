"""Samples to audio files, whole or as they come, by FFmpeg's libraries."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np

from panope_backends.media.audio import Samples, import_av


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a kind of file is written.

    Attributes:
        muxer: of FFmpeg.
        codec: the same.
        rate: of its samples; 0 for that of what is written.
    """

    muxer: str
    codec: str
    rate: int = 0


_KINDS = {
    "wav": _Kind("wav", "pcm_s16le"),
    "pcm": _Kind("s16le", "pcm_s16le", 24_000),  # OpenAI's: no header tells the rate
    "mp3": _Kind("mp3", "libmp3lame", 24_000),
    "flac": _Kind("flac", "flac"),
    "opus": _Kind("ogg", "libopus", 48_000),
    "aac": _Kind("adts", "aac", 24_000),
}

#: Of a file, at least: what is shorter ends in silence, for codecs write nothing of a few samples.
_LEAST_SECONDS = 0.1

#: Of a page of Ogg, which is told when it is full.
_PAGE_MICROSECONDS = "200000"

AUDIO_KINDS = tuple(_KINDS)
"""What can be written."""


class _Pipe:
    """Takes bytes in their order; as nobody can go back in it, no header is written again at the end."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> int:
        self._data += data
        return len(data)

    def taken(self) -> bytes:
        """What came since it was last asked."""
        data = bytes(self._data)
        self._data.clear()
        return data


class AudioWriter:
    """Writes one file of one channel.

    Args:
        kind: one of `AUDIO_KINDS`.
        rate: of the samples that are written, in a second.
        stream: whether its bytes are told as they come; a header then tells no length.

    Raises:
        PreconditionError: the package `av` is not installed.
    """

    def __init__(self, kind: str, rate: int, *, stream: bool) -> None:
        self._av = import_av()
        how = _KINDS[kind]
        self.rate = how.rate or rate
        """Of the file's samples, in a second."""
        self._rate = rate
        self._sink = _Pipe() if stream else BytesIO()
        options = {"page_duration": _PAGE_MICROSECONDS} if how.muxer == "ogg" else {}
        self._container: Any = self._av.open(self._sink, "w", format=how.muxer, options=options)
        self._stream: Any = self._container.add_stream(how.codec, rate=self.rate, layout="mono")
        self._written = 0

    def write(self, samples: Samples) -> bytes:
        """Adds samples; the bytes that this makes, of a stream.

        Args:
            samples: about -1 to 1; what is louder is cut.
        """
        if samples.size:
            frame = self._av.AudioFrame.from_ndarray(np.clip(samples, -1, 1)[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = self._rate, self._written
            self._written += samples.size
            self._container.mux(self._stream.encode(frame))
        return self._taken()

    @property
    def seconds(self) -> float:
        """That were written."""
        return self._written / self._rate

    def finish(self) -> bytes:
        """The last bytes of a stream, or all of a file, which is a tenth of a second long at least."""
        missing = round(_LEAST_SECONDS * self._rate) - self._written
        begun = self.write(np.zeros(max(0, missing), np.float32))
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.getvalue() if isinstance(self._sink, BytesIO) else begun + self._taken()

    def _taken(self) -> bytes:
        return self._sink.taken() if isinstance(self._sink, _Pipe) else b""
