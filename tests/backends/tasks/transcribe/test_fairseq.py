"""Speech2Text and SeamlessM4T through the generation core, token for token as by transformers' `generate`."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.backends.tasks.transcribe.speech_models import RATE, Source, Speech, noise, tokens_of, wav, written
from transformers import AutoFeatureExtractor, AutoTokenizer

from panope_backends.api import ModelFacts
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.openvino.encoder_decoder.support import encoder_decoder_refusal
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.transcribe.module import TranscribeModule
from panope_backends.testing.audio.fairseq import LANGUAGES, tiny_seamless, tiny_speech_to_text


@pytest.fixture(scope="module")
def listener(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speech-to-text")
    model = tiny_speech_to_text(folder)
    task = TranscribeModule().load(Source(folder))
    yield Speech(task, model, folder)
    task.close()


def by_transformers(speech: Speech, samples: np.ndarray) -> list[int]:
    """The tokens behind the one that the decoder starts with, without that of the end."""
    extractor = AutoFeatureExtractor.from_pretrained(speech.folder)
    features = extractor(samples, sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        made = speech.model.generate(**features, do_sample=False, num_beams=1)
    return [token for token in made[0].tolist()[1:] if token != 2]


@pytest.mark.parametrize(("seconds", "seed"), [(0.7, 0), (2.31, 1), (11.0, 2)])
def test_audio_of_any_length_is_transcribed_as_by_transformers(listener, seconds, seed):
    samples = noise(seconds, seed)
    (part,) = written(listener.task, audio=wav(samples))
    right = by_transformers(listener, samples)
    assert len(set(right)) > 3
    assert tokens_of([part]) == right
    text = AutoTokenizer.from_pretrained(listener.folder).decode(right, skip_special_tokens=True)
    assert "".join(segment.text for segment in part.segments).strip() == text.strip()


def test_long_audio_is_cut_where_it_is_quiet_and_each_part_is_transcribed_by_itself(listener):
    first, second = noise(28.0, 3), noise(9.0, 4)
    samples = np.concatenate([first, np.zeros(RATE // 2, np.float32), second])
    limits = Source(listener.folder).media_limits
    assert samples.size / RATE > limits.max_audio_seconds, "which this test lifts"
    task = TranscribeModule().load(Source(listener.folder, media_limits=type(limits)(max_audio_seconds=60.0)))
    parts = written(task, audio=wav(samples), stream=True)
    task.close()
    segments = [segment for part in parts for segment in part.segments]
    assert segments[0].start == 0.0
    assert 28.0 <= segments[0].end <= 28.5
    cut = round(segments[0].end * RATE)
    assert list(segments[0].token_ids) == by_transformers(listener, samples[:cut])
    assert list(segments[1].token_ids) == by_transformers(listener, samples[cut:])


@pytest.mark.parametrize("seconds", [0.001, 0.03, 1.0])
def test_silence_and_audio_of_less_than_a_frame_are_no_error(listener, seconds):
    parts = written(listener.task, audio=wav(np.zeros(round(seconds * RATE), np.float32)))
    assert parts[-1].duration == pytest.approx(seconds, abs=0.001)


@pytest.mark.parametrize(
    ("field", "value"),
    [("timestamps", True), ("words", True), ("prompt", "w1"), ("language", "en"), ("translate", True)],
)
def test_what_the_model_does_not_tell_is_refused_by_name(listener, field, value):
    with pytest.raises(InvalidInputError) as error:
        written(listener.task, audio=wav(noise(0.5)), **{field: value})
    assert (error.value.field, error.value.reason) == (field, "unsupported_field")


@pytest.mark.slow  # a conversion
def test_openvino_writes_what_torch_writes(tmp_path):
    tiny_speech_to_text(tmp_path)
    backend = OpenVinoBackend()
    facts = ModelFacts("acme/speech", "safetensors", "transcribe", "", read_json(tmp_path / "config.json"))
    backend.convert(facts, backend.conversions()[0], tmp_path, tmp_path)
    answers = []
    for source in (Source(tmp_path), Source(tmp_path, backend, "openvino")):
        task = TranscribeModule().load(source)
        answers.append([tokens_of(written(task, audio=wav(noise(seconds, 7)))) for seconds in (0.6, 2.6)])
        task.close()
    assert answers[0] == answers[1]


@pytest.fixture(scope="module", params=["", "v2"])
def seamless(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("seamless")
    model = tiny_seamless(folder, version=request.param)
    task = TranscribeModule().load(Source(folder))
    yield Speech(task, model, folder)
    task.close()


def seamless_by_transformers(speech: Speech, samples: np.ndarray, language: str) -> list[int]:
    """The tokens behind the two that the decoder is given, without that of the end."""
    extractor = AutoFeatureExtractor.from_pretrained(speech.folder)
    features = extractor(samples, sampling_rate=RATE, return_tensors="pt")
    assert features.attention_mask.all()
    with torch.inference_mode():
        made = speech.model.generate(**features, tgt_lang=language, do_sample=False)
    return [token for token in made[0].tolist()[2:] if token != 3]


@pytest.mark.parametrize(("seconds", "seed"), [(0.7, 0), (2.31, 1), (11.0, 2)])
def test_seamless_writes_the_language_that_it_is_told_as_by_transformers(seamless, seconds, seed):
    samples = noise(seconds, seed)
    frames = 1 + (samples.size - 400) // 160
    heard = samples if frames % 2 == 0 else samples[:-160]
    answers = []
    for language in LANGUAGES:
        (part,) = written(seamless.task, audio=wav(samples), language=language)
        assert tokens_of([part]) == seamless_by_transformers(seamless, heard, language)
        assert part.language == ""
        answers.append(tuple(tokens_of([part])))
    assert len(set(answers)) > 1
    (part,) = written(seamless.task, audio=wav(samples), translate=True)
    assert tuple(tokens_of([part])) == answers[LANGUAGES.index("eng")]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "must tell the model in which language it answers, one of: deu, eng, fra"),
        ({"language": "klingon"}, "one of: deu, eng, fra"),
        ({"language": "deu", "translate": True}, "a translation's is `eng`"),
    ],
)
def test_seamless_refuses_to_guess_the_language_of_its_answer(seamless, fields, why):
    with pytest.raises(InvalidInputError, match=why) as error:
        written(seamless.task, audio=wav(noise(0.5)), **fields)
    assert error.value.field == "language"


def test_seamless_tells_its_languages(seamless):
    from panope.worker.v1.transcribe_pb2 import TranscribeFacts

    facts = TranscribeFacts.FromString(seamless.task.facts)
    assert list(facts.languages) == sorted(LANGUAGES)
    assert facts.translates


def test_openvino_leaves_the_speech_of_seamless_to_torch(seamless):
    facts = ModelFacts("acme/speech", "safetensors", "transcribe", "", read_json(seamless.folder / "config.json"))
    assert "distances" in encoder_decoder_refusal(facts)
    assert not encoder_decoder_refusal(replace(facts, task="generate"))
