"""Files among samples: each kind that people have is told, and samples are never taken for one."""

import io

import av
import numpy as np
import pytest

from panope_backends.media.audio_writer import AudioWriter
from panope_server.pipeline.live.file_heads import file_kind

RATE = 16_000
NOISE = (np.random.default_rng(0).standard_normal(RATE) * 0.1).astype(np.float32)


def written(kind: str) -> bytes:
    writer = AudioWriter(kind, RATE, stream=True)
    return writer.write(NOISE) + writer.finish()


def in_container(form: str, codec: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        stream = container.add_stream(codec, rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(NOISE[None], format="fltp", layout="mono")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "name"), [("wav", "WAV"), ("flac", "FLAC"), ("opus", "Ogg"), ("mp3", "MP3"), ("aac", "AAC")]
)
def test_files_that_are_written_here_are_told(kind, name):
    assert file_kind(written(kind)[:3200], is_first=True) == name


@pytest.mark.parametrize(
    ("form", "codec", "name"), [("webm", "libopus", "WebM"), ("mp4", "aac", "MP4"), ("aiff", "pcm_s16be", "AIFF")]
)
def test_other_containers_are_told(form, codec, name):
    assert file_kind(in_container(form, codec)[:3200], is_first=False) == name


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100])
def test_frames_of_mp3_without_a_header_are_told_at_every_rate(rate):
    file = io.BytesIO()
    with av.open(file, "w", format="mp3", options={"id3v2_version": "0", "write_xing": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(NOISE[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = file.getvalue()
    assert data[0] == 0xFF
    assert file_kind(data, is_first=True) == "MP3"


def test_samples_are_no_file():
    whole = (NOISE * 32767).astype("<i2").tobytes()
    for begin in range(0, len(whole), 100):
        assert not file_kind(whole[begin:], is_first=True)
    loud = np.full(1600, -1025, "<i2").tobytes()  # each sample is the first half of a frame of MP3
    assert loud[:2] == b"\xff\xfb"
    assert not file_kind(loud, is_first=True)
    for short in (b"", b"\0", b"\xff", b"\xff\xfb", b"\xff\xf1\x50\x80", b"RIFF"):
        assert not file_kind(short, is_first=True)
