"""Seeded models that tell letters or labels of audio: every way in answers as transformers does."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from huggingface_hub import InferenceClient
from tests.conftest import LiveServer
from tests.e2e.speech.models import EARS, FOX, LETTERS, TOLD
from tests.sounds import RATE, samples_of, wav

from command_line import panope
from panope_client import Client, InvalidInputError

# Workers with PyTorch, weights out of a package, and the library that they are compared with.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_ctc_model_is_heard_every_way_in(
    server: LiveServer,
    client: Client,
    openai_client: openai.OpenAI,
    model_folders: dict[str, Path],
    fox: bytes,
    tmp_path: Path,
) -> None:
    import transformers

    pipeline = transformers.pipeline("automatic-speech-recognition", model=str(model_folders[LETTERS]), device="cpu")
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
    printed = panope("transcribe", LETTERS, path, "--no-vad", "--address", server.grpc_address).out
    assert printed.strip() == told.text


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # OpenAI's client says so of translations
def test_a_model_that_is_told_its_language_is_heard_every_way_in(
    client: Client,
    openai_client: openai.OpenAI,
    server: LiveServer,
    model_folders: dict[str, Path],
    fox: bytes,
    tmp_path: Path,
) -> None:
    import torch
    import transformers

    model = transformers.AutoModelForSpeechSeq2Seq.from_pretrained(model_folders[TOLD]).eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(model_folders[TOLD])
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_folders[TOLD])
    samples = samples_of(fox)
    frames = 1 + (samples.size - 400) // 160
    features = extractor(samples[: samples.size - 160 * (frames % 2)], sampling_rate=RATE, return_tensors="pt")

    def right(language: str) -> str:
        with torch.inference_mode():
            made = model.generate(**features, tgt_lang=language, do_sample=False)
        text: str = tokenizer.decode(made[0], skip_special_tokens=True)
        return text.strip()

    create = openai_client.audio.transcriptions.create
    file, as_told = (FOX, fox, "audio/wav"), {"vad": False}
    german, english = right("deu"), right("eng")
    assert german != english
    assert client.transcribe(fox, TOLD, language="deu", vad=False).text.strip() == german
    assert create(model=TOLD, file=file, language="deu", extra_body=as_told).text.strip() == german
    translated = openai_client.audio.translations.create(model=TOLD, file=file, extra_body=as_told)
    assert translated.text.strip() == english
    path = tmp_path / FOX
    path.write_bytes(fox)
    asked = ("transcribe", TOLD, path, "--no-vad", "--address", server.grpc_address)
    assert panope(*asked, "--language", "deu").out.strip() == german
    assert panope(*asked, "--translate").out.strip() == english
    for language in (openai.NOT_GIVEN, "klingon"):
        with pytest.raises(openai.BadRequestError, match="deu, eng, fra") as caught:
            create(model=TOLD, file=file, language=language)
        assert caught.value.param == "language"


def test_audio_is_classified_every_way_in(
    server: LiveServer, client: Client, model_folders: dict[str, Path], fox: bytes, tmp_path: Path
) -> None:
    import transformers

    pipeline = transformers.pipeline("audio-classification", model=str(model_folders[EARS]), device="cpu")
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
    told = panope("classify", EARS, "--audio", file, "--json", "--address", server.grpc_address).json
    assert [each["label"] for each in told["labels"]] == [each["label"] for each in right]
    with pytest.raises(InvalidInputError) as caught:
        client.classify_audio(b"no sound", EARS)
    assert caught.value.field == "audio.content"
