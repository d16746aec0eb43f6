"""Trained Whisper, seeded Wav2Vec2 and VITS behind a real Envoy: every way in hears and speaks as transformers does."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from huggingface_hub import InferenceClient
from tests.conftest import LiveServer
from tests.whisper_tiny import CLIPS, clip, write_whisper_tiny

from panope_backends.media.audio import decode_audio
from panope_backends.media.limits import MediaLimits
from panope_backends.testing.audio_labels import tiny_audio_classifier
from panope_backends.testing.speaking import tiny_vits
from panope_backends.testing.speech import tiny_ctc, tiny_whisper
from panope_client import Client, InvalidInputError, UnavailableError
from panope_registry.session import RegistrySession

# Four workers with PyTorch, weights out of a package, and the library that they are compared with.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ENGLISH, TWO_LANGUAGES, VOICE = "acme/whisper-tiny.en", "acme/whisper-seeded", "acme/voice"
LETTERS, EARS = "acme/wav2vec2-seeded", "acme/ears"
TEXT = "Good morning. It rains!"
FOX = "quick_brown_fox.wav"
RATE = 16_000


def words(text: str) -> list[str]:
    """Without what models differ in: case and marks."""
    return "".join(sign for sign in text.lower() if sign.isalnum() or sign.isspace()).split()


def samples_of(data: bytes) -> np.ndarray[Any, Any]:
    return decode_audio(data, RATE, MediaLimits())


def wav(samples: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes((samples * 32768).astype("<i2").tobytes())
    return file.getvalue()


@pytest.fixture(scope="module")
def fox() -> bytes:
    return clip(FOX)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("whisper")
    write_whisper_tiny(made)
    return made


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("letters")
    tiny_ctc(made)
    return made


@pytest.fixture(scope="module")
def ears(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("ears")
    tiny_audio_classifier(made, "wav2vec2")
    return made


@pytest.fixture(scope="module")
def server(
    make_servers: Any, folder: Path, letters: Path, ears: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    place = tmp_path_factory.mktemp("speech")
    home, seeded = place / "home", place / "seeded"
    seeded.mkdir()
    tiny_whisper(seeded)
    session = RegistrySession.open(home / "registry.sqlite3", home)
    session.registry.import_folder(folder, ENGLISH)
    session.registry.import_folder(seeded, TWO_LANGUAGES)
    session.registry.import_folder(letters, LETTERS)
    session.registry.import_folder(ears, EARS)
    speaking = place / "voice"
    speaking.mkdir()
    tiny_vits(speaking)
    session.registry.import_folder(speaking, VOICE)
    session.close()
    servers = make_servers(place, place)
    try:
        started = servers.start(home=home, demo=False)
        with Client(started.grpc_address, timeout=300) as client:
            for name in (ENGLISH, TWO_LANGUAGES, LETTERS, EARS, VOICE):
                client.load(name, backend="cpu", precision="fp32")
        yield started
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def client(server: LiveServer) -> Iterator[Client]:
    with Client(server.grpc_address, timeout=120) as made:
        yield made


@pytest.fixture(scope="module")
def openai_client(server: LiveServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.http_url}/v1", api_key="none", max_retries=0, timeout=120)


@pytest.mark.parametrize("name", list(CLIPS))
def test_a_clip_is_heard_as_by_transformers(client: Client, folder: Path, name: str) -> None:
    import transformers

    data = clip(name)
    answer = client.transcribe(data, ENGLISH)
    assert words(answer.text) == words(CLIPS[name][1])
    pipeline = transformers.pipeline("automatic-speech-recognition", model=str(folder), device="cpu")
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


@pytest.mark.parametrize("name", list(CLIPS))
def test_words_have_the_times_of_transformers(
    client: Client, openai_client: openai.OpenAI, folder: Path, name: str
) -> None:
    import transformers

    data = clip(name)
    pipeline = transformers.pipeline("automatic-speech-recognition", model=str(folder), device="cpu")
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
    panope = [sys.executable, "-m", "panope_server", "transcribe", ENGLISH, str(file), "--words", "--address"]
    run = subprocess.run([*panope, server.grpc_address], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    lines = [line.split() for line in run.stdout.splitlines()]
    assert words(" ".join(word for _, _, word in lines)) == words(CLIPS[FOX][1])
    assert all(0 <= float(start) <= float(end) < 10 for start, end, _ in lines)


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
    panope = [sys.executable, "-m", "panope_server", "transcribe", ENGLISH, str(file), "--address"]
    run = subprocess.run([*panope, server.grpc_address], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == told["text"]


def test_a_stream_over_grpc_tells_each_window(client: Client, fox: bytes) -> None:
    long = np.tile(samples_of(fox), 14)
    parts = list(client.stream_transcribe(wav(long), ENGLISH))
    segments = [each for part in parts for each in part.segments]
    assert [each.index for each in segments] == list(range(len(segments)))
    starts = [each.start_seconds for each in segments]
    assert starts == sorted(starts)
    assert words("".join(each.text for each in segments)).count("fox") == 14


def test_a_ctc_model_is_heard_every_way_in(
    server: LiveServer, client: Client, openai_client: openai.OpenAI, letters: Path, fox: bytes, tmp_path: Path
) -> None:
    import transformers

    pipeline = transformers.pipeline("automatic-speech-recognition", model=str(letters), device="cpu")
    long = np.tile(samples_of(fox), 14)

    def right(samples: np.ndarray[Any, Any]) -> str:
        text: str = pipeline({"raw": samples, "sampling_rate": RATE}, chunk_length_s=30)["text"]
        return text

    told = client.transcribe(fox, LETTERS, vad=False)
    assert told.text == right(samples_of(fox)) != ""
    parts = list(client.stream_transcribe(wav(long), LETTERS, vad=False))
    assert len(parts) > 1, "each window is told when it is known"
    assert "".join(each.text for part in parts for each in part.segments).strip() == right(long)

    create = openai_client.audio.transcriptions.create
    file, as_told = (FOX, fox, "audio/wav"), {"vad": False}
    verbose = create(model=LETTERS, file=file, response_format="verbose_json", extra_body=as_told)
    assert verbose.text == told.text
    assert all(0 <= each.start < each.end <= verbose.duration + 0.01 for each in verbose.segments or [])
    subtitles: Any = create(model=LETTERS, file=file, response_format="srt", extra_body=as_told)
    assert " --> " in subtitles
    for refused in ({"language": "en"}, {"temperature": 0.5}, {"prompt": "Ada"}):
        with pytest.raises(openai.BadRequestError) as caught:
            create(model=LETTERS, file=file, **refused)  # type: ignore[call-overload]
        assert caught.value.param == next(iter(refused))
    body = {"inputs": base64.b64encode(fox).decode(), "parameters": {"vad": False}}
    assert server.post(f"/v1/speech-recognition/{LETTERS}", body).json["text"] == told.text
    path = tmp_path / FOX
    path.write_bytes(fox)
    panope = [sys.executable, "-m", "panope_server", "transcribe", LETTERS, str(path), "--no-vad", "--address"]
    run = subprocess.run([*panope, server.grpc_address], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == told.text


def test_audio_is_classified_every_way_in(
    server: LiveServer, client: Client, ears: Path, fox: bytes, tmp_path: Path
) -> None:
    import transformers

    pipeline = transformers.pipeline("audio-classification", model=str(ears), device="cpu")
    right = pipeline({"raw": samples_of(fox), "sampling_rate": RATE}, top_k=None)
    told = client.classify_audio(fox, EARS)
    assert [each.label for each in told.classification.labels] == [each["label"] for each in right]
    scores = [each["score"] for each in right]
    assert [each.score for each in told.classification.labels] == pytest.approx(scores, abs=1e-4)
    assert told.duration_seconds == told.heard_seconds == pytest.approx(samples_of(fox).size / RATE, abs=0.01)
    over_http = InferenceClient(f"{server.http_url}/v1/audio-classification/{EARS}")
    for options, count in (({}, 4), ({"top_k": 2}, 2)):
        found = over_http.audio_classification(fox, **options)  # type: ignore[arg-type]
        assert [each.label for each in found] == [each["label"] for each in right][:count]
    file = tmp_path / FOX
    file.write_bytes(fox)
    panope = [sys.executable, "-m", "panope_server", "classify", EARS, "--audio", str(file), "--json", "--address"]
    run = subprocess.run([*panope, server.grpc_address], check=True, capture_output=True, text=True)
    assert [each["label"] for each in json.loads(run.stdout)["labels"]] == [each["label"] for each in right]
    with pytest.raises(InvalidInputError) as caught:
        client.classify_audio(b"no sound", EARS)
    assert caught.value.field == "audio.content"


def test_openai_s_client_speaks_every_format(openai_client: openai.OpenAI, client: Client) -> None:
    seconds = client.speak(TEXT, VOICE, seed=1).duration_seconds
    for kind in ("mp3", "opus", "aac", "flac", "wav", "pcm"):
        answer = openai_client.audio.speech.create(
            model=VOICE, voice="default", input=TEXT, response_format=kind, extra_body={"seed": 1}
        )
        if kind == "pcm":
            assert len(answer.content) / 2 / 24_000 == pytest.approx(seconds, abs=0.1)
        else:
            heard = decode_audio(answer.content, RATE, MediaLimits())
            assert heard.size / RATE == pytest.approx(seconds, abs=0.15)
    with pytest.raises(openai.BadRequestError, match="none of the model's: default"):
        openai_client.audio.speech.create(model=VOICE, voice="alloy", input=TEXT)


def test_every_way_in_speaks_alike(server: LiveServer, client: Client, tmp_path: Path) -> None:
    whole = client.speak(TEXT, VOICE, format="flac", seed=2)
    over_http = InferenceClient(f"{server.http_url}/v1/text-to-speech/{VOICE}")
    assert decode_audio(over_http.text_to_speech(TEXT), RATE, MediaLimits()).size
    body = {"inputs": TEXT, "parameters": {"seed": 2}}
    assert server.post(f"/v1/text-to-speech/{VOICE}", body).body == whole.audio.content
    pieces = list(client.stream_speak(TEXT, VOICE, format="pcm", seed=2))
    assert len(pieces) == 2, "each sentence is told when it is spoken"
    assert sum(each.duration_seconds for each in pieces) == pytest.approx(whole.duration_seconds)
    file = tmp_path / "spoken.flac"
    panope = [sys.executable, "-m", "panope_server", "speak", VOICE, TEXT, "--out", str(file), "--seed", "2"]
    run = subprocess.run([*panope, "--address", server.grpc_address], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert file.read_bytes() == whole.audio.content


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
    server.wait_ready(120)
    assert words(client.transcribe(fox, ENGLISH).text) == words(CLIPS[FOX][1])
