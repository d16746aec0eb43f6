"""Silero's detector from its package's file: what it calls speech, where, and what is kept around it."""

import numpy as np
import pytest
from tests.whisper_tiny import clip

from panope_backends.errors import DataLossError
from panope_backends.media import voice_activity
from panope_backends.media.audio import decode_audio
from panope_backends.media.limits import MediaLimits
from panope_backends.media.voice_activity import FRAME, RATE, Speech, VadOptions, VoiceDetector, padded, parts_of

OPTIONS = VadOptions(threshold=0.5, min_silence_seconds=0.1, padding_seconds=0.03)


def frames(*parts: tuple[float, int]) -> np.ndarray:
    """Probabilities: so many frames of each."""
    return np.concatenate([np.full(count, probability, np.float32) for probability, count in parts])


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        pytest.param(frames((0.1, 30)), [], id="silence"),
        pytest.param(frames((0.1, 5), (0.9, 10), (0.1, 5)), [(5, 15)], id="speech"),
        pytest.param(frames((0.9, 5), (0.1, 3), (0.9, 5)), [(0, 13)], id="a short pause"),
        pytest.param(frames((0.9, 5), (0.1, 9), (0.9, 5)), [(0, 5), (14, 19)], id="a long pause"),
        pytest.param(frames((0.9, 5), (0.4, 20), (0.9, 5)), [(0, 30)], id="less likely, and speech still"),
        pytest.param(frames((0.9, 5), (0.1, 3)), [(0, 5)], id="silence at the end"),
    ],
)
def test_speech_starts_with_a_likely_frame_and_ends_where_silence_lasts(probabilities, expected):
    found = parts_of(probabilities, probabilities.size * FRAME, OPTIONS)
    assert found == [Speech(start * FRAME, end * FRAME) for start, end in expected]


def test_padding_never_leaves_the_file_and_joins_what_it_makes_touch():
    options = VadOptions(threshold=0.5, min_silence_seconds=0.1, padding_seconds=0.1)
    found = padded([Speech(100, 5000), Speech(8000, 9000), Speech(20_000, 21_000)], 21_500, options)
    assert found == [Speech(0, 10_600), Speech(18_400, 21_500)]


def test_runs_of_frames_go_on_where_the_last_ended(monkeypatch):
    samples = np.random.default_rng(0).standard_normal(RATE * 2 + 100).astype(np.float32) * 0.1
    detector = VoiceDetector()
    whole = detector.probabilities(samples)
    monkeypatch.setattr(voice_activity, "_RUN", 7)
    assert whole.size == -(-samples.size // FRAME)
    np.testing.assert_array_equal(detector.probabilities(samples), whole)


def test_a_graph_of_another_hash_is_not_opened(monkeypatch):
    monkeypatch.setattr(voice_activity, "_SHA256", "0" * 64)
    with pytest.raises(DataLossError) as error:
        VoiceDetector()
    assert error.value.reason == "hash_mismatch"


@pytest.mark.slow  # a clip out of a package, and the package's own detector beside PyTorch
def test_speech_is_found_where_silero_vad_finds_it():
    import torch
    from silero_vad import get_speech_timestamps, load_silero_vad

    fox = decode_audio(clip("quick_brown_fox.wav"), RATE, MediaLimits())
    silence = np.zeros(RATE, np.float32)
    samples = np.concatenate([silence, fox, silence, silence, fox, silence])
    right = get_speech_timestamps(
        torch.from_numpy(samples), load_silero_vad(onnx=True), speech_pad_ms=0, min_silence_duration_ms=500
    )
    options = VadOptions(threshold=0.5, min_silence_seconds=0.5, padding_seconds=0.0)
    found = VoiceDetector().speech(samples, options)
    assert [(each.start, each.end) for each in found] == [(each["start"], each["end"]) for each in right]
