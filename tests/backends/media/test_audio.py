"""Audio from strangers: told by its content, bounded while it is decoded, refused by name."""

import contextlib
import io
import struct

import av
import numpy as np
import pytest

from panope_backends.errors import InvalidInputError
from panope_backends.media.audio import decode_audio, sniff
from panope_backends.media.limits import MediaLimits

RATE = 48_000
LIMITS = MediaLimits(max_audio_bytes=1 << 20, max_audio_seconds=10.0)
KINDS = {
    "wav": ("wav", "pcm_s16le"),
    "mp3": ("mp3", "libmp3lame"),
    "flac": ("flac", "flac"),
    "ogg": ("ogg", "libopus"),
    "m4a": ("mp4", "aac"),
    "webm": ("webm", "libopus"),
    "aac": ("adts", "aac"),
}


def tone(seconds: float = 1.0, frequency: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def encoded(kind: str, *channels: np.ndarray) -> bytes:
    """A file of one or two channels."""
    container, codec = KINDS[kind]
    layout = "mono" if len(channels) == 1 else "stereo"
    file = io.BytesIO()
    with av.open(file, "w", format=container) as writer:
        stream = writer.add_stream(codec, rate=RATE)
        stream.layout = layout
        frame = av.AudioFrame.from_ndarray(np.stack(channels), format="fltp", layout=layout)
        frame.sample_rate = RATE
        resampler = av.AudioResampler(format=stream.codec_context.format.name, layout=layout, rate=RATE)
        for each in (*resampler.resample(frame), *resampler.resample(None)):
            writer.mux(stream.encode(each))
        writer.mux(stream.encode(None))
    return file.getvalue()


def pitch(samples: np.ndarray, rate: int) -> float:
    """The strongest frequency of the middle."""
    middle = samples[samples.size // 4 : samples.size * 3 // 4]
    return float(np.abs(np.fft.rfft(middle)).argmax() * rate / middle.size)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_told_by_its_content_and_decoded(kind):
    data = encoded(kind, tone())
    assert sniff(data) == kind
    samples = decode_audio(data, 16_000, LIMITS)
    assert samples.dtype == np.float32
    assert samples.size == pytest.approx(16_000, abs=700)
    assert pitch(samples, 16_000) == pytest.approx(440, abs=3)


def test_samples_of_16_bits_are_exact():
    data = encoded("wav", tone())
    samples = decode_audio(data, RATE, LIMITS)
    np.testing.assert_array_equal(samples, np.frombuffer(data[-2 * samples.size :], "<i2") / np.float32(32768))


def test_channels_are_mixed_to_their_mean():
    samples = decode_audio(encoded("wav", tone(), np.zeros(RATE, np.float32)), RATE, LIMITS)
    np.testing.assert_allclose(samples, tone() / 2, atol=1e-4)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b"hello", "no audio that can be read"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "no audio that can be read"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "no audio that can be read"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "no audio that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no audio that can be read"),
        (bytes(2 << 20), "has 2,097,152 bytes; the limit is 1,048,576"),
    ],
)
def test_what_is_no_sound_is_refused_before_it_is_opened(data, why):
    with pytest.raises(InvalidInputError, match=why) as error:
        decode_audio(data, 16_000, LIMITS, "file")
    assert error.value.field == "file"


@pytest.mark.parametrize("kind", ["wav", "flac", "m4a"])
def test_a_file_that_was_cut_is_refused(kind):
    data = encoded(kind, tone(2.0))
    with pytest.raises(InvalidInputError, match="cut"):
        decode_audio(data[: len(data) // 2], 16_000, LIMITS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_without_its_samples_is_refused(kind):
    with pytest.raises(InvalidInputError, match="audio"):
        decode_audio(encoded(kind, tone())[:24], 16_000, LIMITS)


def test_a_wav_of_nothing_but_chunks_is_given_up():
    head = b"RIFF\0\0\0\0WAVE"
    with pytest.raises(InvalidInputError, match="more than 10,000 chunks before its samples"):
        decode_audio(head + b"junk\0\0\0\0" * 20_000 + encoded("wav", tone())[12:], 16_000, LIMITS)
    decode_audio(head + b"junk\0\0\0\0" * 200 + encoded("wav", tone())[12:], 16_000, LIMITS)


def test_a_wav_whose_length_was_not_known_when_it_was_begun_is_read():
    data = bytearray(encoded("wav", tone()))
    place = data.index(b"data")
    data[place + 4 : place + 8] = b"\xff\xff\xff\xff"
    assert decode_audio(bytes(data), 16_000, LIMITS).size == 16_000


def test_seconds_are_counted_while_they_are_decoded():
    silence = encoded("flac", np.zeros(60 * RATE, np.float32))
    assert len(silence) < 100_000
    with pytest.raises(InvalidInputError, match="longer than 10 seconds, which is the limit"):
        decode_audio(silence, 16_000, LIMITS)


@pytest.mark.parametrize(("place", "value"), [(24, struct.pack("<I", 1)), (22, struct.pack("<H", 60_000))])
def test_a_header_that_lies_about_rate_or_channels_is_refused(place, value):
    data = bytearray(encoded("wav", tone()))
    data[place : place + len(value)] = value
    with pytest.raises(InvalidInputError, match="channels at"):
        decode_audio(bytes(data), 16_000, LIMITS)


def of_channels(count: int) -> bytes:
    """A WAV file of a second whose last channel alone is heard."""
    samples = np.zeros((RATE, count), "<i2")
    samples[:, -1] = 16_000
    data = samples.tobytes()
    head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, count, RATE, 2 * count * RATE, 2 * count, 16)
    return b"RIFF" + struct.pack("<I", len(data) + 36) + head + b"data" + struct.pack("<I", len(data)) + data


@pytest.mark.parametrize("count", [1, 2, 6, 7, 8, 9, 16])
def test_as_many_channels_as_are_allowed_are_mixed(count):
    samples = decode_audio(of_channels(count), RATE, MediaLimits())
    assert samples.size == RATE
    np.testing.assert_allclose(samples, 16_000 / 32768 / count, rtol=1e-5)


def test_samples_of_all_channels_are_counted_while_they_are_decoded():
    silence = encoded_channels("flac", "5.1", np.zeros((6, 5 * 192_000), np.float32), 192_000)
    assert len(silence) < 20_000
    assert decode_audio(silence, 16_000, MediaLimits()).size == 5 * 16_000
    with pytest.raises(InvalidInputError, match="more than 3,840,000 samples in all channels"):
        decode_audio(silence, 16_000, LIMITS)


def test_a_day_of_silence_is_given_up_when_the_limit_is_reached():
    quarter = encoded_channels("ogg", "mono", np.zeros((1, 90 * 48_000), np.float32), 48_000, "libopus")
    with pytest.raises(InvalidInputError, match="longer than 10 seconds"):
        decode_audio(quarter, 16_000, LIMITS)


def encoded_channels(container: str, layout: str, samples: np.ndarray, rate: int, codec: str = "flac") -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as writer:
        stream = writer.add_stream(codec, rate=rate, layout=layout)
        for begin in range(0, samples.shape[1], 4800):
            frame = av.AudioFrame.from_ndarray(samples[:, begin : begin + 4800], format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, begin
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))
    return file.getvalue()


def lying_flac() -> bytes:
    """Says to have 2**36 - 1 samples."""
    data = bytearray(encoded("flac", tone()))
    data[8 + 13] |= 0x0F
    data[8 + 14 : 8 + 18] = b"\xff" * 4
    return bytes(data)


def lying_wav() -> bytes:
    """Its chunk of samples says to have almost 2 GiB."""
    data = bytearray(encoded("wav", tone()))
    place = data.index(b"data")
    data[place + 4 : place + 8] = struct.pack("<I", 0x7FFE_0000)
    return bytes(data)


def of_no_samples() -> bytes:
    data = bytearray(encoded("wav", tone()))
    place = data.index(b"data")
    return bytes(data[: place + 4]) + bytes(4)


@pytest.mark.parametrize("make", [lying_flac, lying_wav, of_no_samples])
def test_headers_that_lie_about_lengths_and_files_of_none_are_refused(make):
    with pytest.raises(InvalidInputError, match=r"cut|no samples"):
        decode_audio(make(), 16_000, LIMITS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_damaged_files_are_refused_or_read(kind, seed):
    random = np.random.default_rng(seed)
    data = bytearray(encoded(kind, tone()))
    for place in random.integers(4, len(data), 20):
        data[place] = random.integers(256)
    with contextlib.suppress(InvalidInputError):
        assert np.isfinite(decode_audio(bytes(data), 16_000, LIMITS)).all()


def floats(*values: float) -> bytes:
    """A WAV file of floats, of a tenth of a second and these."""
    data = np.concatenate([np.zeros(1600, np.float32), np.array(values, np.float32)]).tobytes()
    head = (
        b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 3, 1, 16_000, 64_000, 4, 32) + b"data" + struct.pack("<I", len(data))
    )
    return b"RIFF" + struct.pack("<I", len(head) + len(data)) + head + data


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -3e38, 3e10])
@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_samples_that_are_no_numbers_or_without_measure_are_refused(value, rate):
    with pytest.raises(InvalidInputError, match="no numbers, or louder than 2,147,483,648") as error:
        decode_audio(floats(0.5, value), rate, LIMITS, "file")
    assert error.value.field == "file"


def test_floats_that_are_whole_numbers_of_16_bits_are_read():
    assert decode_audio(floats(-32768.0, 32767.0), 16_000, LIMITS)[-2:].tolist() == [-32768.0, 32767.0]
