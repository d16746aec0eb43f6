"""Trained Whisper behind a real Envoy: every way in hears as transformers does."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import numpy as np
import openai
import pytest
from huggingface_hub import InferenceClient
from tests.conftest import LiveServer
from tests.e2e.speech.models import ENGLISH, FOX, LOAD_SECONDS, TWO_LANGUAGES
from tests.sounds import RATE, samples_of, wav, words
from tests.whisper_tiny import CLIPS, clip

from command_line import panope
from panope_client import Client, InvalidInputError, UnavailableError

# Workers with PyTorch, weights out of a package, and the library that they are compared with.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("name", list(CLIPS))
def test_a_clip_is_heard_as_by_transformers(client: Client, model_folders: dict[str, Path], name: str) -> None:
    import transformers

    data = clip(name)
    answer = client.transcribe(data, ENGLISH)
    assert words(answer.text) == words(CLIPS[name][1])
    pipeline = transformers.pipeline("automatic-speech-recognition", model=str(model_folders[ENGLISH]), device="cpu")
    likeliest = {"num_beams": 1}  # of its own accord the pipeline searches by five beams
    right = pipeline({"raw": samples_of(data), "sampling_rate": RATE}, generate_kwargs=likeliest)["text"].strip()
    assert client.transcribe(data, ENGLISH, vad=False).text == right


def test_openai_s_client_gets_every_format(openai_client: openai.OpenAI, fox: bytes) -> None:
    create = openai_client.audio.transcriptions.create
    file = (FOX, fox, "audio/wav")
    said = create(model=ENGLISH, file=file).text
    assert words(said) == words(CLIPS[FOX][1])
    assert create(model=ENGLISH, file=file, response_format="text").strip() == said
    for form, head in (("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n\n00:00:0")):
        subtitles = create(model=ENGLISH, file=file, response_format=form)  # type: ignore[call-overload]
        assert subtitles.startswith(head)
        assert " --> " in subtitles
        assert said in subtitles
    verbose = create(
        model=ENGLISH, file=file, response_format="verbose_json", timestamp_granularities=["segment"], language="en"
    )
    assert verbose.duration == pytest.approx(samples_of(fox).size / RATE, abs=0.01)
    assert "".join(each.text for each in verbose.segments or []).strip() == verbose.text
    assert all(0 <= each.start <= each.end <= verbose.duration + 0.01 for each in verbose.segments or [])


def test_openai_s_client_streams(openai_client: openai.OpenAI, fox: bytes) -> None:
    samples = samples_of(fox)
    long = np.tile(np.concatenate([samples, np.zeros(RATE // 2, np.float32)]), 14)
    events = list(openai_client.audio.transcriptions.create(model=ENGLISH, file=("long.wav", wav(long)), stream=True))
    assert [each.type for each in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
    assert len(events) > 2, "each window tells its text when it is known"
    done = events[-1]
    assert done.type == "transcript.text.done"
    assert "".join(each.delta for each in events[:-1] if each.type == "transcript.text.delta").strip() == done.text
    assert words(done.text).count("fox") == 14


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # OpenAI's client says so of translations
def test_openai_s_client_translates(openai_client: openai.OpenAI, client: Client, fox: bytes) -> None:
    told = openai_client.audio.translations.create(model=TWO_LANGUAGES, file=(FOX, fox), response_format="json")
    assert told.text == client.transcribe(fox, TWO_LANGUAGES, translate=True).text
    assert told.text != client.transcribe(fox, TWO_LANGUAGES).text
    with pytest.raises(openai.BadRequestError, match="does not translate"):
        openai_client.audio.translations.create(model=ENGLISH, file=(FOX, fox))


def test_hugging_face_s_client_hears_it(server: LiveServer, fox: bytes) -> None:
    over_http = InferenceClient(f"{server.http_url}/v1/speech-recognition/{ENGLISH}")
    told = over_http.automatic_speech_recognition(fox)
    assert words(told.text) == words(CLIPS[FOX][1])
    reply = server.post(
        f"/v1/speech-recognition/{ENGLISH}",
        {"inputs": base64.b64encode(fox).decode(), "parameters": {"return_timestamps": True}},
    )
    (chunk,) = reply.json["chunks"]
    assert words(chunk["text"]) == words(told.text)
    assert 0 <= chunk["timestamp"][0] < chunk["timestamp"][1] <= samples_of(fox).size / RATE + 0.01


def test_curl_and_the_command_line_hear_it(server: LiveServer, fox: bytes, tmp_path: Path) -> None:
    file = tmp_path / FOX
    file.write_bytes(fox)
    url = f"{server.http_url}/v1/audio/transcriptions"
    curl = ["curl", "-sS", url, "-F", f"file=@{file}", "-F", f"model={ENGLISH}"]
    told = json.loads(subprocess.run(curl, check=True, capture_output=True).stdout)
    assert words(told["text"]) == words(CLIPS[FOX][1])
    assert panope("transcribe", ENGLISH, file, "--address", server.grpc_address).out.strip() == told["text"]


def test_a_stream_over_grpc_tells_each_window(client: Client, fox: bytes) -> None:
    long = np.tile(samples_of(fox), 14)
    parts = list(client.stream_transcribe(wav(long), ENGLISH))
    segments = [each for part in parts for each in part.segments]
    assert [each.index for each in segments] == list(range(len(segments)))
    starts = [each.start_seconds for each in segments]
    assert starts == sorted(starts)
    assert words("".join(each.text for each in segments)).count("fox") == 14


def test_no_words_are_written_into_silence(openai_client: openai.OpenAI, client: Client, fox: bytes) -> None:
    silence = np.zeros(RATE * 20, np.float32)
    assert client.transcribe(wav(silence), ENGLISH).text == ""
    invented = client.transcribe(wav(silence), ENGLISH, vad=False).text
    assert invented, "without the gate the model writes words"
    between = wav(np.concatenate([silence, samples_of(fox), silence, samples_of(fox)]))
    told = openai_client.audio.transcriptions.create(
        model=ENGLISH,
        file=("between.wav", between),
        response_format="verbose_json",
        chunking_strategy={"type": "server_vad", "silence_duration_ms": 500},
    )
    assert words(told.text) == 2 * words(CLIPS[FOX][1])
    first, second = told.segments or []
    fox_seconds = samples_of(fox).size / RATE
    assert 19.5 <= first.start < first.end <= 20 + fox_seconds + 0.5
    assert 39.5 + fox_seconds <= second.start < second.end <= 40 + 2 * fox_seconds + 0.1


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"", "is empty"), (b"%PDF-1.7", "no audio that can be read"), (None, "is cut")],
    ids=["empty", "no audio", "cut"],
)
def test_what_is_no_audio_is_refused_by_name(server: LiveServer, client: Client, data: bytes | None, why: str) -> None:
    data = clip(FOX)[:5000] if data is None else data
    with pytest.raises(InvalidInputError, match=f"audio.*{why}"):
        client.transcribe(data, ENGLISH)
    reply = server.post(f"/v1/speech-recognition/{ENGLISH}", body=data, headers={"content-type": "audio/wav"})
    assert reply.status == 400
    assert reply.error["param"] == "inputs"
    assert why in reply.error["message"]


def test_a_lost_worker_fails_its_call_at_once_and_comes_back(server: LiveServer, client: Client, fox: bytes) -> None:
    long = wav(np.tile(samples_of(fox), 60))
    stream = iter(client.stream_transcribe(long, ENGLISH))
    next(stream)  # it runs
    for worker in server.workers():
        worker.kill()
    with pytest.raises(UnavailableError):
        list(stream)
    server.wait_ready(LOAD_SECONDS)
    assert words(client.transcribe(fox, ENGLISH).text) == words(CLIPS[FOX][1])
