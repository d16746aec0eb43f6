"""SpeechT5 with its vocoder: the waveform that transformers makes with the same speaker and the same seed."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from tests.backends.tasks.speak.test_speak import SpeakSource, samples_of, spoken
from transformers import SpeechT5Tokenizer

from panope.worker.v1 import speak_pb2 as messages
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.speak.module import SpeakModule
from panope_backends.testing.audio.speaking import tiny_speecht5
from panope_registry.inspect.inspect import inspect_files


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("speecht5")


@pytest.fixture(scope="module")
def voice(folder):
    models = tiny_speecht5(folder)
    task = SpeakModule().load(SpeakSource(folder))
    yield task, *models
    task.close()


def by_transformers(voice, folder: Path, text: str, speaker: str, seed: int = 7) -> np.ndarray:
    _, model, vocoder = voice
    ids = SpeechT5Tokenizer.from_pretrained(folder)(text, return_tensors="pt").input_ids
    vector = torch.from_numpy(load_file(folder / "speaker_embeddings.safetensors")[speaker])[None]
    torch.manual_seed(seed)
    with torch.inference_mode():
        return model.generate_speech(ids, vector, vocoder=vocoder).numpy()


@pytest.mark.parametrize("speaker", ["ada", "bob"])
def test_a_sentence_is_spoken_as_by_transformers(voice, folder, speaker):
    right = by_transformers(voice, folder, "hello world", speaker)
    (part,) = spoken(voice[0], "hello world", format="wav", voice=speaker)
    np.testing.assert_allclose(samples_of(part.audio)[: right.size], np.clip(right, -1, 1), atol=1e-4)
    assert part.seconds == pytest.approx(max(right.size / 16_000, 0.1))


def test_the_speakers_are_its_voices_and_differ(voice, folder):
    facts = messages.SpeakFacts.FromString(voice[0].facts)
    assert (list(facts.voices), facts.takes_phonemes) == (["ada", "bob"], False)
    ada, bob = (by_transformers(voice, folder, "hello", name) for name in ("ada", "bob"))
    assert ada.size != bob.size or np.abs(ada - bob).max() > 1e-3


def test_each_seed_makes_its_own_audio(voice):
    first, again, other = (spoken(voice[0], "good morning", seed=seed)[0].audio for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"voice": "alloy"}, "voice"),
        ({"speed": 1.5}, "speed"),
        ({"text": "12345"}, "text"),
        ({"text": "a" * 100}, "text"),
        ({"is_ipa": True}, "input_format"),
    ],
)
def test_what_the_model_cannot_speak_is_refused_by_name(voice, fields, field):
    with pytest.raises(InvalidInputError) as error:
        spoken(voice[0], **{"text": "hello", **fields})
    assert error.value.field == field


@pytest.mark.parametrize("missing", ["vocoder", "speaker_embeddings.safetensors", "spm_char.model"])
def test_what_is_missing_is_named(voice, folder, tmp_path, missing):
    broken = shutil.copytree(folder, tmp_path / "broken")
    (shutil.rmtree if missing == "vocoder" else Path.unlink)(broken / missing)
    with pytest.raises(PreconditionError, match=r"vocoder|speaker_embeddings|tokenizer"):
        SpeakModule().load(SpeakSource(broken))


@pytest.mark.parametrize("values", [np.zeros(5, np.float32), np.full(4, np.nan, np.float32)])
def test_vectors_that_are_no_speakers_are_refused(voice, folder, tmp_path, values):
    broken = shutil.copytree(folder, tmp_path / "broken")
    save_file({"ada": values}, broken / "speaker_embeddings.safetensors")
    with pytest.raises(PreconditionError, match="a vector of 4 numbers"):
        SpeakModule().load(SpeakSource(broken))


def test_the_vocoder_and_the_speakers_are_parts_of_the_model(voice, folder):
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    found = inspect_files(files)
    (weights,) = found.weight_sets
    assert (found.task, found.architecture) == ("speak", "SpeechT5ForTextToSpeech")
    wanted = {"model.safetensors", "vocoder/model.safetensors", "speaker_embeddings.safetensors"}
    assert set(weights.files) == wanted
    parameters = [each for model in voice[1:] for each in model.state_dict().values() if each.is_floating_point()]
    assert weights.parameter_count == sum(each.numel() for each in parameters)
