"""Texts spoken sentence by sentence, with the waveform that transformers' VITS makes of the same noise."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.backends.tasks.transcribe.speech_models import Source
from transformers import VitsTokenizer

from panope.worker.v1 import speak_pb2 as messages
from panope_backends.api import LoadOptions, ModelFacts
from panope_backends.engines.torch import CpuBackend
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.speak.module import SpeakModule
from panope_backends.tasks.speak.sentences import MAX_CHARACTERS, sentences_of
from panope_backends.tasks.task import LoadedTask
from panope_backends.testing.audio.speaking import tiny_vits


class SpeakSource(Source):
    """As of transcription, for models that speak."""

    def load(self, config, folder=None, *, head=""):
        facts = ModelFacts("acme/voice", "safetensors", "speak", "VitsModel", config)
        return CpuBackend().load(facts, self.folder, "CPU", LoadOptions(precision="fp32"))


def spoken(task: LoadedTask, text: str, **fields: object) -> list[messages.SpeakOutput]:
    """The parts of an answer, as the worker's loop makes them."""
    message = messages.SpeakInput(text=text, **{"format": "pcm", "speed": 1.0, "seed": 7, **fields})
    job = task.requests["speak"](message.SerializeToString())
    parts: list[messages.SpeakOutput] = []
    is_over = False
    while not is_over:
        data, is_over = job.step()
        parts.append(messages.SpeakOutput.FromString(data))
    return parts


def samples_of(file: bytes) -> np.ndarray:
    """Of a WAV file, the silence behind what is very short included."""
    return np.frombuffer(file[file.index(b"data") + 8 :], "<i2") / 32767


def by_transformers(model, folder: Path, text: str, seed: int = 7, **options: object) -> np.ndarray:
    inputs = VitsTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    torch.manual_seed(seed)
    with torch.inference_mode():
        return model(**inputs, **options).waveform[0].numpy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("vits")


@pytest.fixture(scope="module")
def voice(folder):
    model = tiny_vits(folder)
    task = SpeakModule().load(SpeakSource(folder))
    yield task, model
    task.close()


def test_a_sentence_is_spoken_as_by_transformers(voice, folder):
    task, model = voice
    right = by_transformers(model, folder, "hello world")
    (part,) = spoken(task, "Hello, world!", format="wav")  # the tokenizer leaves marks out
    samples = samples_of(part.audio)[: right.size]
    np.testing.assert_allclose(samples, np.clip(right, -1, 1), atol=1e-4)
    assert part.seconds == pytest.approx(max(right.size / 16_000, 0.1))
    assert part.sample_rate == 16_000


def test_sentences_come_one_after_another_and_make_the_same_file(voice):
    task, _ = voice
    streamed = spoken(task, "One. Two! Three?", stream=True)
    whole = spoken(task, "One. Two! Three?")
    assert len(streamed) == 3
    assert all(part.audio for part in streamed)
    assert b"".join(part.audio for part in streamed) == b"".join(part.audio for part in whole)


def test_speed_and_seed_are_honoured(voice):
    task, _ = voice
    seconds = {speed: spoken(task, "good morning", speed=speed)[0].seconds for speed in (0.5, 1.0, 2.0)}
    assert seconds[0.5] > 1.5 * seconds[1.0] > 2 * seconds[2.0]
    first, again, other = (spoken(task, "good morning", seed=seed)[0].audio for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"voice": "alloy"}, "voice"), ({"text": "12345!"}, "text")],
)
def test_what_the_model_cannot_speak_is_refused_by_name(voice, fields, field):
    with pytest.raises(InvalidInputError) as error:
        spoken(voice[0], **{"text": "hello", **fields})
    assert error.value.field == field


def test_each_voice_of_a_model_speaks(tmp_path):
    model = tiny_vits(tmp_path, voices=2)
    task = SpeakModule().load(SpeakSource(tmp_path))
    assert list(messages.SpeakFacts.FromString(task.facts).voices) == ["0", "1"]
    for name in ("0", "1"):
        right = by_transformers(model, tmp_path, "hello", speaker_id=int(name))
        (part,) = spoken(task, "hello", voice=name, format="wav")
        samples = samples_of(part.audio)[: right.size]
        np.testing.assert_allclose(samples, np.clip(right, -1, 1), atol=1e-4)
    task.close()


@pytest.mark.parametrize("told", [{"phonemize": True}, {"phonemize": False, "is_uroman": True}, {}])
def test_models_of_phonemes_and_romanised_texts_are_refused(tmp_path, told):
    tiny_vits(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(told))
    with pytest.raises(PreconditionError, match=r"tokenizer_config\.json"):
        SpeakModule().load(SpeakSource(tmp_path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello.", ["Hello."]),
        ("Mr. Fox said: “Go!” And he ran…\nNow", ["Mr.", "Fox said: “Go!”", "And he ran…", "Now"]),
        ("一。二！三", ["一。", "二！", "三"]),
        ("3.14 is pi", ["3.14 is pi"]),
        ("\n . \n", ["."]),
        ("a" * (MAX_CHARACTERS + 1), ["a" * MAX_CHARACTERS, "a"]),
        (" ".join(["word"] * 100), [" ".join(["word"] * 80), " ".join(["word"] * 20)]),
    ],
)
def test_a_text_is_parted_into_sentences(text, expected):
    assert sentences_of(text) == expected
