"""Speech by models with a CTC head, letter for letter as by transformers' pipeline."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import transformers
from tests.backends.tasks.transcribe.speech_models import RATE, Source, noise, wav

from panope.worker.v1 import transcribe_pb2 as messages
from panope_backends.api import Level, ModelFacts
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.torch import CpuBackend
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.media.limits import MediaLimits
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.task import Answered, LoadedTask
from panope_backends.tasks.transcribe.ctc.vocabulary import CtcVocabulary
from panope_backends.tasks.transcribe.ctc.words import GreedyWords, phrases_of
from panope_backends.tasks.transcribe.module import TranscribeModule
from panope_backends.testing.audio.speech import tiny_ctc


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("ctc")
    tiny_ctc(made, lower=True)
    return made


@pytest.fixture(scope="module")
def task(folder) -> Iterator[LoadedTask]:
    made = TranscribeModule().load(Source(folder))
    yield made
    made.close()


def heard(task: LoadedTask, samples: np.ndarray, **fields: object) -> list[messages.TranscribeOutput]:
    """The parts of an answer, as the worker's loop makes them."""
    message = messages.TranscribeInput(audio=wav(samples), **{"vad": False, **fields})
    job = task.requests["transcribe"](message.SerializeToString())
    if isinstance(job, Answered):
        return [messages.TranscribeOutput.FromString(job.output)]
    parts, is_over = [], False
    while not is_over:
        data, is_over = job.step()
        parts.append(messages.TranscribeOutput.FromString(data))
    return parts


def text_of(parts: list[messages.TranscribeOutput]) -> str:
    return "".join(segment.text for part in parts for segment in part.segments).strip()


def by_transformers(folder: Path, samples: np.ndarray, **options: object) -> dict:
    pipeline = transformers.pipeline("automatic-speech-recognition", model=str(folder), device="cpu")
    return pipeline({"raw": samples, "sampling_rate": RATE}, chunk_length_s=30, **options)


def vocabulary_of(folder: Path, signs: list[str], **options: object) -> CtcVocabulary:
    folder.mkdir(exist_ok=True)
    file = folder / "vocab.json"
    file.write_text(json.dumps({sign: index for index, sign in enumerate(signs)}))
    transformers.Wav2Vec2CTCTokenizer(str(file), **options).save_pretrained(folder)
    return CtcVocabulary(folder)


def logits_of(signs: list[str], said: list[str]) -> np.ndarray:
    return np.eye(len(signs), dtype=np.float32)[[signs.index(sign) for sign in said]] * 9


def test_audio_of_one_window_is_heard_as_by_transformers(task, folder):
    samples = noise(3.0)
    right = by_transformers(folder, samples, return_timestamps="word")
    (part,) = heard(task, samples)
    assert text_of([part]) == right["text"]
    assert right["text"] == right["text"].lower(), "`do_lower_case` holds"
    assert len(right["chunks"]) > 1, "a text of one word shows nothing"
    (segment,) = part.segments
    assert segment.start == pytest.approx(right["chunks"][0]["timestamp"][0])
    assert segment.end <= part.duration == pytest.approx(3.0)
    assert segment.avg_logprob < 0
    assert part.tokens == len(segment.token_ids)
    (part,) = heard(task, samples, words=True)
    (segment,) = part.segments
    assert [word.text.strip() for word in segment.words] == [chunk["text"].lower() for chunk in right["chunks"]]
    assert [time for word in segment.words for time in (word.start, word.end)] == pytest.approx(
        [time for chunk in right["chunks"] for time in chunk["timestamp"]]
    )


def test_pauses_part_segments_where_times_are_asked_for(tmp_path):
    signs = ["<pad>", "|", "A", "B"]
    vocabulary = vocabulary_of(tmp_path, signs, pad_token="<pad>", unk_token="<pad>")
    said = ["A", "|", "|", "B", "B", *["<pad>"] * 5, "B", "|", *["<pad>"] * 30, "|", "A"]
    words = GreedyWords(vocabulary)
    found = words.take(logits_of(signs, said), 100) + words.rest()
    assert [vocabulary.text(word.signs) for word in found] == ["A", " BB", "  A"]
    assert [(word.start, word.end) for word in found] == [(100, 101), (103, 111), (143, 144)]
    assert [len(phrase) for phrase in phrases_of(found, 25)] == [2, 1]


def test_a_word_over_the_border_of_windows_is_one_word(tmp_path):
    signs = ["<pad>", "|", "A", "B"]
    vocabulary = vocabulary_of(tmp_path, signs, pad_token="<pad>", unk_token="<pad>")
    words = GreedyWords(vocabulary)
    assert words.take(logits_of(signs, ["A", "B"]), 0) == []
    (word,) = words.take(logits_of(signs, ["B", "A", "|"]), 2)
    assert vocabulary.text(word.signs) == "ABA"
    assert (word.start, word.end) == (0, 4)


def test_signs_are_words_where_a_model_has_no_delimiter(tmp_path):
    signs = ["<pad>", "好", "早"]
    vocabulary = vocabulary_of(tmp_path, signs, pad_token="<pad>", unk_token="<pad>")
    words = GreedyWords(vocabulary)
    found = words.take(logits_of(signs, ["早", "早", "<pad>", "好"]), 0)
    assert [word.signs for word in found + words.rest()] == [["早"], ["好"]]


@pytest.mark.parametrize(
    ("field", "value"), [("language", "en"), ("translate", True), ("prompt", "Ada"), ("temperature", 0.5), ("seed", 0)]
)
def test_what_such_models_cannot_do_is_refused_by_name(task, field, value):
    with pytest.raises(InvalidInputError) as caught:
        heard(task, noise(0.5), **{field: value})
    assert caught.value.field == field
    assert caught.value.reason == "unsupported_field"


def test_audio_without_a_frame_has_no_text(task):
    (part,) = heard(task, noise(0.02))
    assert not part.segments
    assert part.duration == pytest.approx(0.02)
    (part,) = heard(task, np.zeros(RATE, np.float32), vad=True, vad_threshold=0.5, vad_min_silence=2.0)
    assert not part.segments, "silence is left out"


@pytest.mark.slow  # half a minute of audio through the library too
@pytest.mark.parametrize("seconds", [29.99, 30.01, 50.0, 95.3])
def test_long_audio_is_heard_as_by_the_pipeline_s_chunks(folder, seconds):
    samples = noise(seconds, 3)
    task = TranscribeModule().load(Source(folder, media_limits=MediaLimits(max_audio_seconds=100.0)))
    right = by_transformers(folder, samples, return_timestamps="word")
    parts = heard(task, samples)
    assert text_of(parts) == right["text"]
    assert len(parts) == (1 if seconds <= 30 else 1 + -(-int((seconds - 30) * RATE) // (20 * RATE)))
    segments = [segment for part in parts for segment in part.segments]
    assert [segment.index for segment in segments] == list(range(len(segments)))
    assert segments[-1].end == pytest.approx(right["chunks"][-1]["timestamp"][1], abs=0.021)
    assert all(before.end <= after.start for before, after in pairwise(segments))
    task.close()


@pytest.mark.slow  # a model of each kind
@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")  # of the library's own pipeline
@pytest.mark.parametrize(
    "kind", ["Data2VecAudio", "Hubert", "SEW", "SEWD", "UniSpeech", "UniSpeechSat", "Wav2Vec2Conformer", "WavLM"]
)
def test_kin_of_wav2vec2_are_heard_as_by_transformers(tmp_path, kind):
    tiny_ctc(tmp_path, 1, kind)
    task = TranscribeModule().load(Source(tmp_path))
    samples = noise(2.0)
    assert text_of(heard(task, samples)) == by_transformers(tmp_path, samples)["text"] != ""
    least = task.requests["transcribe"].__self__.listener.grid.least
    assert heard(task, noise((least + 1) / RATE))[0].duration < 0.1
    task.close()


@pytest.mark.slow  # conversions
@pytest.mark.parametrize("kind", ["Wav2Vec2", "WavLM", "Hubert"])
def test_openvino_hears_what_torch_hears(tmp_path, kind):
    tiny_ctc(tmp_path, 2, kind)
    backend = OpenVinoBackend()
    facts = ModelFacts("acme/ctc", "safetensors", "transcribe", "", read_json(tmp_path / "config.json"))
    backend.convert(facts, backend.conversions()[0], tmp_path, tmp_path)
    samples = noise(4.0, 5)
    answers = []
    for source in (Source(tmp_path), Source(tmp_path, backend, "openvino")):
        task = TranscribeModule().load(source)
        (part,) = heard(task, samples, words=True)
        answers.append([(word.text, word.start, word.end) for segment in part.segments for word in segment.words])
        task.close()
    assert answers[0] == answers[1] != []


def test_models_that_are_not_run_are_refused_by_name(folder, tmp_path):
    def level(backend, **config):
        facts = ModelFacts("acme/ctc", "safetensors", "transcribe", "", config)
        return backend.supports(facts, backend.devices()[0])

    spectra = level(CpuBackend(), model_type="wav2vec2-bert")
    assert spectra.level == Level.NONE
    assert "wav2vec2-bert" in spectra.reason
    assert "add_adapter" in level(CpuBackend(), model_type="wav2vec2", add_adapter=True).reason
    assert level(CpuBackend(), model_type="hubert").level == Level.FULL
    assert level(OpenVinoBackend(), model_type="wav2vec2-bert").reason == spectra.reason
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer"}')
    with pytest.raises(PreconditionError, match="Wav2Vec2PhonemeCTCTokenizer"):
        CtcVocabulary(tmp_path)
