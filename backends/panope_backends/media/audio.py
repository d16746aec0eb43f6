"""Audio as bytes to samples: decoded by FFmpeg's libraries, mixed to one channel and brought to a rate.

The kind of audio is told by its first bytes alone; the name and the media type of a file say nothing. Each kind has one
demuxer of FFmpeg, and only decoders that are listed run, so that no playlist, script or image is ever opened, and
nothing else is read than the bytes that were given. Seconds are counted while samples come: what a header says of the
length bounds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.media.limits import MediaLimits
from panope_backends.media.matroska_headers import refuse_large_headers
from panope_backends.media.mp4_tables import refuse_endless_tables

Samples = NDArray[np.float32]
"""One channel, about -1 to 1."""

#: FFmpeg's demuxers, by the kind of audio.
_DEMUXERS = {
    "wav": "wav",
    "mp3": "mp3",
    "flac": "flac",
    "ogg": "ogg",
    "aac": "aac",
    "m4a": "mov",
    "webm": "matroska",
}

#: The formats of files in words, as the documentation has them.
_NAMES = "WAV, MP3, FLAC, Ogg, AAC, M4A and WebM"

#: Whose headers tell the length for sure, so that less is a file that was cut.
_TELLS_LENGTH = frozenset({"flac", "m4a"})
_SECONDS_MISSING = 0.25

_DECODERS = frozenset({"mp3", "mp3float", "flac", "opus", "libopus", "vorbis", "libvorbis", "aac", "alac"})

#: Of a WAV file, before its samples; those that programs write are some ten.
_MOST_CHUNKS = 10_000

#: Sizes of chunks from here on are no sizes.
_OPEN_SIZE = 0x7FFF_0000

#: Samples of all channels that are decoded of a second that is allowed: of eight channels at 48 kHz, some ten times as
#: fast as a minute of them passes. Silence of 1 MB is 20 billion of them at the highest rate.
_DECODED_PER_SECOND = 8 * 48_000

#: Of a sample: those of whole numbers of 32 bits that somebody wrote as floats. Sums of squares beyond it have no end.
_LOUDEST = float(1 << 31)

_RATES = (1_000, 768_000)
_MOST_CHANNELS = 16


def sniff(data: bytes) -> str:
    """The kind of audio that bytes begin as, such as `mp3`; empty for none that is read here."""
    head = data[:16]
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    for mark, kind in ((b"fLaC", "flac"), (b"OggS", "ogg"), (b"ID3", "mp3"), (b"\x1aE\xdf\xa3", "webm")):
        if head.startswith(mark):
            return kind
    if head[4:8] == b"ftyp":
        return "m4a"
    if len(head) >= 2 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:  # layer 0: ADTS
        return "aac"
    if len(head) >= 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "mp3"
    return ""


def decode_audio(data: bytes, rate: int, limits: MediaLimits, field: str = "audio") -> Samples:
    """Decodes audio.

    Args:
        data: the file's bytes.
        rate: of the samples, in a second.
        limits: what it may be.
        field: of the request, for errors.

    Returns:
        At least one sample, float32, of one channel: the mean of the file's.

    Raises:
        InvalidInputError: it is empty, of another kind, damaged, cut, or over a limit.
        PreconditionError: the package `av` is not installed.
    """
    if not data:
        raise InvalidInputError.at(field, "{field} is empty")
    if len(data) > limits.max_audio_bytes:
        raise InvalidInputError.at(
            field, "{field} has {size:,} bytes; the limit is {limit:,}", size=len(data), limit=limits.max_audio_bytes
        )
    kind = sniff(data)
    if kind == "wav":
        _refuse_cut_wav(data, field)
    if not kind:
        raise InvalidInputError.at(
            field, "{field} is no audio that can be read; the formats that are read are {names}", names=_NAMES
        )
    if kind == "m4a":
        refuse_endless_tables(data, field)
    if kind == "webm":
        refuse_large_headers(data, field)
    av = import_av()
    try:
        with av.open(
            BytesIO(data),
            format=_DEMUXERS[kind],
            options={"protocol_whitelist": "none", "format_whitelist": _DEMUXERS[kind]},
            metadata_errors="ignore",
        ) as container:
            return _decode(av, container, kind, rate, limits, field)
    except (av.error.FFmpegError, ValueError, OverflowError) as error:  # FFmpeg's words are not for callers
        raise InvalidInputError.at(
            field, "{field} begins as {kind} and cannot be decoded: it is damaged or cut", kind=kind
        ) from error


def _decode(av: Any, container: Any, kind: str, rate: int, limits: MediaLimits, field: str) -> Samples:
    stream = _stream(container, field)
    declared = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    # Channels side by side: PyAV reads no more than eight planes of a frame, and past its end.
    resampler = av.AudioResampler(format="flt", rate=rate)
    pieces: list[Samples] = []
    count, most = 0, int(limits.max_audio_seconds * rate)
    decoded, most_decoded = 0, limits.max_audio_seconds * _DECODED_PER_SECOND
    for frame in _frames(av, container, stream):
        decoded += frame.samples * frame.layout.nb_channels
        if decoded > most_decoded:
            raise InvalidInputError.at(
                field,
                "{field} has more than {limit:,.0f} samples in all channels, which is the limit",
                limit=most_decoded,
            )
        for made in resampler.resample(frame):
            piece = _mean(made)
            pieces.append(piece)
            count += piece.size
        if count > most:
            raise InvalidInputError.at(
                field, "{field} is longer than {limit:g} seconds, which is the limit", limit=limits.max_audio_seconds
            )
    pieces += [_mean(made) for made in resampler.resample(None)]
    samples = np.concatenate(pieces).astype(np.float32, copy=False) if pieces else np.zeros(0, np.float32)
    if not samples.size:
        raise InvalidInputError.at(field, "{field} has no samples, or too few to be brought to the model's rate")
    seconds = samples.size / rate
    if kind in _TELLS_LENGTH and seconds < min(declared * 0.98, declared - _SECONDS_MISSING):
        raise InvalidInputError.at(
            field,
            "{field} is cut: it says to have {declared:.1f} seconds, and {seconds:.1f} are there",
            declared=declared,
            seconds=seconds,
        )
    if not max(samples.max(), -samples.min()) <= _LOUDEST:  # which what is no number is not either
        raise InvalidInputError.at(
            field,
            "{field} has samples that are no numbers, or louder than {limit:,.0f}; floats are about -1 to 1",
            limit=_LOUDEST,
        )
    return samples


def _mean(frame: Any) -> Samples:
    """One channel; FFmpeg's own mixing to one is louder."""
    channels: Samples = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
    mixed: Samples = channels[:, 0] if channels.shape[1] == 1 else channels.mean(axis=1)
    return mixed


def _refuse_cut_wav(data: bytes, field: str) -> None:
    """Walks to the chunk of the samples, whose size FFmpeg passes over; writers of streams leave it open."""
    place = 12
    for _ in range(_MOST_CHUNKS):
        if place + 8 > len(data):
            return
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        if data[place : place + 4] == b"data":
            there = len(data) - place - 8
            if size < _OPEN_SIZE and there < size:
                raise InvalidInputError.at(
                    field,
                    "{field} is cut: it says to have {size:,} bytes of samples, and {there:,} are there",
                    size=size,
                    there=there,
                )
            return
        place += 8 + size + size % 2
    raise InvalidInputError.at(
        field, "{field} has more than {limit:,} chunks before its samples, which is the limit", limit=_MOST_CHUNKS
    )


def _stream(container: Any, field: str) -> Any:
    """The first stream of audio, of a decoder that may run."""
    if not container.streams.audio:
        raise InvalidInputError.at(field, "{field} has no audio in it")
    stream = container.streams.audio[0]
    codec = stream.codec_context
    if codec is None or not (codec.name in _DECODERS or codec.name.startswith("pcm_")):
        raise InvalidInputError.at(field, "{field} holds audio in a form that is not read here")
    if not _RATES[0] <= codec.sample_rate <= _RATES[1] or not 1 <= codec.layout.nb_channels <= _MOST_CHANNELS:
        raise InvalidInputError.at(
            field,
            "{field} has {channels:,} channels at {rate:,} Hz; those may be 1 to {most}, at {low:,} to {high:,} Hz",
            channels=codec.layout.nb_channels,
            rate=codec.sample_rate,
            most=_MOST_CHANNELS,
            low=_RATES[0],
            high=_RATES[1],
        )
    return stream


def _frames(av: Any, container: Any, stream: Any) -> Iterator[Any]:
    """What a stream decodes to; packets that are no audio, such as tags behind an mp3, are passed over."""
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue
        yield from frames


def import_av() -> Any:
    """PyAV, which says nothing on standard error.

    Raises:
        PreconditionError: it is not installed.
    """
    try:
        import av
        import av.error
        import av.logging
    except ModuleNotFoundError:
        raise PreconditionError(
            "the package `av` is not installed: pip install 'panope-serving[audio]'", reason="not_installed"
        ) from None
    av.logging.set_level(None)
    return av
