"""Words of trained Whisper have the times of transformers, every way in."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import openai
import pytest
from tests.conftest import LiveServer
from tests.e2e.speech.models import ENGLISH, FOX
from tests.sounds import RATE, samples_of, wav, words
from tests.whisper_tiny import CLIPS, clip

from command_line import panope
from panope_client import Client

# Workers with PyTorch, weights out of a package, and the library that they are compared with.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("name", list(CLIPS))
def test_words_have_the_times_of_transformers(
    client: Client, openai_client: openai.OpenAI, model_folders: dict[str, Path], name: str
) -> None:
    import transformers

    data = clip(name)
    pipeline = transformers.pipeline("automatic-speech-recognition", model=str(model_folders[ENGLISH]), device="cpu")
    samples = samples_of(data)
    right = pipeline(
        {"raw": samples, "sampling_rate": RATE}, return_timestamps="word", generate_kwargs={"num_beams": 1}
    )["chunks"]
    told = client.transcribe(data, ENGLISH, vad=False, words=True)
    words_told = [word for segment in told.segments for word in segment.words]
    assert [word.text for word in words_told] == [chunk["text"] for chunk in right]
    times = [time for word in words_told for time in (word.start_seconds, word.end_seconds)]
    end = samples.size / RATE
    assert times == pytest.approx([min(end, time) for chunk in right for time in chunk["timestamp"]], abs=0.011)
    verbose = openai_client.audio.transcriptions.create(
        model=ENGLISH,
        file=(name, data),
        response_format="verbose_json",
        timestamp_granularities=["word"],
        extra_body={"vad": False},
    )
    assert [each.word for each in verbose.words or []] == [word.text.strip() for word in words_told]
    assert verbose.segments is None
    assert [each.start for each in verbose.words or []] == pytest.approx(times[::2], abs=0.006)


def test_words_between_silence_have_the_times_of_the_file(server: LiveServer, client: Client, fox: bytes) -> None:
    silence = np.zeros(RATE * 5, np.float32)
    between = wav(np.concatenate([silence, samples_of(fox), silence, samples_of(fox)]))
    told = client.transcribe(between, ENGLISH, words=True)
    found = [word for segment in told.segments for word in segment.words]
    assert words("".join(word.text for word in found)) == 2 * words(CLIPS[FOX][1])
    half, length = len(found) // 2, samples_of(fox).size / RATE
    assert all(4.5 <= word.start_seconds <= word.end_seconds <= 5.5 + length for word in found[:half])
    assert all(9.5 + length <= word.start_seconds <= word.end_seconds for word in found[half:])
    body = {"inputs": base64.b64encode(between).decode(), "parameters": {"return_timestamps": "word"}}
    chunks = server.post(f"/v1/speech-recognition/{ENGLISH}", body).json["chunks"]
    assert [chunk["text"] for chunk in chunks] == [word.text for word in found]


def test_the_command_prints_words_with_their_times(server: LiveServer, fox: bytes, tmp_path: Path) -> None:
    file = tmp_path / FOX
    file.write_bytes(fox)
    printed = panope("transcribe", ENGLISH, file, "--words", "--address", server.grpc_address).out
    lines = [line.split() for line in printed.splitlines()]
    assert words(" ".join(word for _, _, word in lines)) == words(CLIPS[FOX][1])
    assert all(0 <= float(start) <= float(end) < 10 for start, end, _ in lines)
