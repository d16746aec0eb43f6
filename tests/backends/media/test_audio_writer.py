"""Audio files as they are written: whole or as a stream, they are read back as what was written."""

import numpy as np
import pytest

from panope_backends.media.audio import decode_audio
from panope_backends.media.audio_writer import AUDIO_KINDS, AudioWriter
from panope_backends.media.limits import MediaLimits

RATE = 22_050


def written(kind: str, *, stream: bool) -> tuple[list[bytes], np.ndarray]:
    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)).astype(np.float32)
    writer = AudioWriter(kind, RATE, stream=stream)
    pieces = [writer.write(tone[:RATE]), writer.write(np.zeros(0, np.float32)), writer.write(tone[RATE:])]
    return [*pieces, writer.finish()], tone


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", AUDIO_KINDS)
def test_what_is_written_is_read_back(kind, stream):
    pieces, tone = written(kind, stream=stream)
    data = b"".join(pieces)
    if kind == "pcm":
        assert len(data) == pytest.approx(2 * 24_000 * 2, abs=4)
        return
    read = decode_audio(data, RATE, MediaLimits())
    assert read.size / RATE == pytest.approx(2, abs=0.1)
    spectrum = np.abs(np.fft.rfft(read[: RATE * 2 // 2]))
    assert spectrum.argmax() == pytest.approx(440, abs=2)
    assert np.abs(read).max() == pytest.approx(np.abs(tone).max(), abs=0.1)
    assert any(pieces[:-1]) == stream


def test_what_is_too_loud_is_cut():
    writer = AudioWriter("wav", RATE, stream=False)
    writer.write(np.tile(np.array([2.0, -2.0], np.float32), RATE))
    assert np.frombuffer(writer.finish()[-4:], "<i2").tolist() == [32767, -32768]


@pytest.mark.parametrize("count", [0, 1, 10, 320])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", AUDIO_KINDS)
def test_what_is_very_short_is_a_file_that_can_be_played(kind, stream, count):
    writer = AudioWriter(kind, RATE, stream=stream)
    data = writer.write(np.full(count, 0.3, np.float32)) + writer.finish()
    assert writer.seconds == pytest.approx(0.1, abs=0.001)
    if kind == "pcm":
        assert len(data) == pytest.approx(2 * 2400, abs=8)
        return
    assert 0.05 < decode_audio(data, 48_000, MediaLimits()).size / 48_000 < 0.2
