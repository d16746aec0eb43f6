"""Audio to labels, with the scores of transformers' pipeline, by models of waveforms and of spectra."""

import io
import wave
from pathlib import Path

import numpy as np
import pytest
import transformers
from tests.backends.tasks.transcribe.speech_models import Source

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.api import LoadOptions, ModelFacts
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.torch import CpuBackend
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.classify.audio import MAX_SECONDS
from panope_backends.tasks.classify.module import ClassifyModule
from panope_backends.tasks.task import LoadedTask
from panope_backends.testing.audio.labels import KINDS, tiny_audio_classifier

RATE = 16_000


class AudioSource(Source):
    """As of transcription, for models with labels."""

    def load(self, config, folder=None, *, head=""):
        facts = ModelFacts("acme/ears", "safetensors", "classify", config["architectures"][0], config)
        return CpuBackend().load(facts, self.folder, "CPU", LoadOptions(precision="fp32"))


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(round(seconds * RATE)) * 0.2).clip(-1, 1).astype(np.float32)


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def read_back(samples: np.ndarray) -> np.ndarray:
    return (samples * 32767).astype("<i2").astype(np.float32) / 32768


def classified(task: LoadedTask, samples: np.ndarray, **fields: object) -> messages.ClassifyAudioOutput:
    message = messages.ClassifyAudioInput(audio=wav(samples), **fields)
    job = task.requests["classify-audio"](message.SerializeToString())
    return messages.ClassifyAudioOutput.FromString(job.answer(task.arrays.run(job.items)))


def by_transformers(folder: Path, samples: np.ndarray, **options: object) -> dict[str, float]:
    pipeline = transformers.pipeline("audio-classification", model=str(folder), device="cpu")
    told = pipeline({"raw": read_back(samples), "sampling_rate": RATE}, top_k=None, **options)
    return {each["label"]: each["score"] for each in told}


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp(request.param)
    tiny_audio_classifier(made, request.param)
    return made


def test_labels_have_the_scores_of_the_pipeline(folder):
    task = ClassifyModule().load(AudioSource(folder))
    for seconds, options in ((0.5, {}), (1.3, {"function_to_apply": "sigmoid"}), (2.0, {"function_to_apply": "none"})):
        samples = sound(seconds)
        found = classified(task, samples, function=options.get("function_to_apply", ""))
        right = by_transformers(folder, samples, **options)
        assert dict(zip(found.labels, found.scores, strict=True)) == pytest.approx(right, abs=1e-5)
        assert list(found.scores) == sorted(found.scores, reverse=True)
        assert found.duration == pytest.approx(seconds, abs=0.001)
        assert len(set(found.scores)) > 1, "labels that are all alike would show nothing"
    assert list(classified(task, sound(1.0), top_k=2).labels) == list(classified(task, sound(1.0)).labels)[:2]
    task.close()


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    made = tmp_path_factory.mktemp("waves")
    tiny_audio_classifier(made, "wav2vec2")
    task = ClassifyModule().load(AudioSource(made))
    yield task
    task.close()


@pytest.fixture(scope="module")
def spectra(tmp_path_factory):
    made = tmp_path_factory.mktemp("spectra")
    tiny_audio_classifier(made, "audio-spectrogram-transformer")
    task = ClassifyModule().load(AudioSource(made))
    yield task
    task.close()


def test_a_model_of_a_window_hears_the_beginning_and_says_so(spectra):
    long = classified(spectra, sound(3.0))
    assert (long.duration, long.heard) == pytest.approx((3.0, 1.0), abs=0.001)
    begins = classified(spectra, sound(3.0)[:RATE])
    assert list(long.scores) == pytest.approx(list(begins.scores), abs=1e-4)


def test_files_of_one_length_run_together_and_answer_as_alone(waves, spectra):
    for task in (waves, spectra):
        made = [messages.ClassifyAudioInput(audio=wav(sound(0.7, seed))).SerializeToString() for seed in range(3)]
        jobs = [task.requests["classify-audio"](each) for each in made]
        rows = task.arrays.run([job.items[0] for job in jobs])
        together = [
            messages.ClassifyAudioOutput.FromString(job.answer([row])) for job, row in zip(jobs, rows, strict=True)
        ]
        for seed, found in enumerate(together):
            alone = classified(task, sound(0.7, seed))
            assert list(found.labels) == list(alone.labels)
            assert list(found.scores) == pytest.approx(list(alone.scores), abs=1e-5)


@pytest.mark.parametrize(
    ("seconds", "fields", "field"),
    [(0.001, {}, "audio"), (MAX_SECONDS + 1, {}, "audio"), (1.0, {"function": "tanh"}, "function")],
    ids=["too short", "too long", "function"],
)
def test_what_cannot_be_classified_is_refused_by_name(waves, seconds, fields, field):
    with pytest.raises(InvalidInputError) as error:
        classified(waves, sound(seconds), **fields)
    assert error.value.field == field


def test_a_model_without_its_extractor_is_refused(tmp_path):
    tiny_audio_classifier(tmp_path, "wav2vec2")
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(PreconditionError, match=r"preprocessor_config\.json"):
        ClassifyModule().load(AudioSource(tmp_path))


@pytest.mark.parametrize("kind", ["wav2vec2", "audio-spectrogram-transformer"])
def test_openvino_gives_the_same_scores(tmp_path, kind):
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir(), out.mkdir()
    tiny_audio_classifier(source, kind)
    backend = OpenVinoBackend()
    task = ClassifyModule().load(AudioSource(source))
    facts = ModelFacts("acme/ears", "safetensors", "classify", task.config["architectures"][0], task.config)
    conversion = next(each for each in backend.conversions() if each.precision == "fp32")
    backend.convert(facts, conversion, source, out)
    model = backend.load(
        ModelFacts("acme/ears", "openvino", "classify", facts.architecture, facts.config),
        out,
        "CPU",
        LoadOptions(precision="fp32"),
    )
    for seconds in (0.4, 1.7):
        message = messages.ClassifyAudioInput(audio=wav(sound(seconds)))
        (item,) = task.requests["classify-audio"](message.SerializeToString()).items
        given = model.run({name: array[None] for name, array in item.arrays.items()})["logits"]
        right = task.model.run({name: array[None] for name, array in item.arrays.items()})["logits"]
        np.testing.assert_allclose(given, right, atol=1e-3 * np.abs(right).max())
    model.close()
    task.close()
