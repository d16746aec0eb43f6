"""Speech transcribed through the generation core, token for token as by transformers' `generate`."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from tests.backends.tasks.transcribe.speech_models import RATE, Source, Speech, noise, tokens_of, wav, written
from transformers import AutoFeatureExtractor

from panope_backends.api import ModelFacts
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.json_files import read_json
from panope_backends.tasks.transcribe.module import TranscribeModule
from panope_backends.testing.audio.speech import tiny_moonshine, tiny_whisper


@pytest.fixture(scope="module")
def whisper(tmp_path_factory) -> Iterator[Speech]:
    folder = tmp_path_factory.mktemp("whisper")
    model = tiny_whisper(folder)
    task = TranscribeModule().load(Source(folder))
    yield Speech(task, model, folder)
    task.close()


def by_transformers(speech: Speech, samples: np.ndarray, **options: object) -> list[int]:
    """The tokens of all segments."""
    extractor = AutoFeatureExtractor.from_pretrained(speech.folder)
    is_short = samples.size <= extractor.n_samples
    features = extractor(
        samples,
        sampling_rate=RATE,
        return_tensors="pt",
        padding="max_length" if is_short else "longest",
        truncation=is_short,
        return_attention_mask=True,
    )
    with torch.inference_mode():
        made = speech.model.generate(
            features.input_features,
            attention_mask=features.attention_mask,
            return_segments=True,
            do_sample=False,
            **options,
        )
    return [int(token) for segment in made["segments"][0] for token in segment["tokens"] if token != 100]


def kept(tokens: list[int]) -> list[int]:
    """Without what transformers leaves at the ends of windows: segments without words, which are not told."""
    return [token for token in tokens if token < 100]


@pytest.mark.parametrize("seconds", [0.7, 1.0])
def test_audio_of_one_window_is_transcribed_as_by_transformers(whisper, seconds):
    samples = noise(seconds)
    (part,) = written(whisper.task, audio=wav(samples), language="en")
    assert kept(tokens_of([part])) == kept(by_transformers(whisper, samples, language="en", task="transcribe"))
    assert part.language == "en"
    assert part.duration == pytest.approx(seconds)


@pytest.mark.parametrize("seed", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_long_audio_is_transcribed_window_by_window_as_by_transformers(whisper, seed):
    samples = noise(4.3, seed)
    right = by_transformers(whisper, samples, language="de", task="translate", return_timestamps=True)
    parts = written(whisper.task, audio=wav(samples), language="de", translate=True, stream=True)
    assert kept(tokens_of(parts)) == kept(right)
    assert len(parts) > 1, "segments are told window by window"
    times = [(each.start, each.end) for part in parts for each in part.segments]
    assert all(0 <= start <= end <= 4.31 for start, end in times)


def test_the_language_is_heard_as_transformers_hears_it(whisper):
    samples = noise(0.9, 3)
    extractor = AutoFeatureExtractor.from_pretrained(whisper.folder)
    features = extractor(samples, sampling_rate=RATE, return_tensors="pt").input_features
    heard = int(whisper.model.detect_language(features)[0])
    (part,) = written(whisper.task, audio=wav(samples))
    assert part.language == {104: "en", 105: "de"}[heard]


def test_a_prompt_stands_before_the_text_as_in_transformers(whisper):
    samples = noise(0.8, 4)
    prompt = torch.tensor([101, 7, 8, 9])
    right = by_transformers(whisper, samples, language="en", task="transcribe", prompt_ids=prompt)
    (part,) = written(whisper.task, audio=wav(samples), language="en", prompt=" w7 w8 w9 ")
    # A model of chance draws timestamps unasked, by which transformers parts even this; up to the first it is one text.
    assert tokens_of([part])[:20] == right[:20]


def test_a_seed_draws_the_same_tokens_again(whisper):
    audio = wav(noise(0.8, 5))
    first, again, other = (
        tokens_of(written(whisper.task, audio=audio, language="en", temperature=1.0, seed=seed)) for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize(
    ("fields", "field", "why"),
    [
        ({"language": "fr"}, "language", "none of the model's: de, en"),
        ({"audio": b""}, "audio", "is empty"),
        ({"audio": b"no audio"}, "audio", "no audio that can be read"),
        ({"audio": wav(noise(21.0))}, "audio", "longer than 20 seconds"),
    ],
)
def test_what_cannot_be_transcribed_is_refused_by_name(whisper, fields, field, why):
    with pytest.raises(InvalidInputError, match=why) as error:
        written(whisper.task, **{"audio": wav(noise(0.5)), **fields})
    assert error.value.field == field


def words_by_transformers(speech: Speech, samples: np.ndarray, **options: object) -> list[tuple[str, float, float]]:
    """Each token of text as a word: it starts when the token before it was done with, as in the pipeline."""
    extractor = AutoFeatureExtractor.from_pretrained(speech.folder)
    is_short = samples.size <= extractor.n_samples
    features = extractor(
        samples,
        sampling_rate=RATE,
        return_tensors="pt",
        padding="max_length" if is_short else "longest",
        truncation=is_short,
        return_attention_mask=True,
    )
    with torch.inference_mode():
        made = speech.model.generate(
            features.input_features,
            attention_mask=features.attention_mask,
            return_segments=True,
            return_timestamps=True,
            return_token_timestamps=True,
            do_sample=False,
            **options,
        )
    found, before = [], 0.0
    for segment in made["segments"][0]:
        for token, time in zip(segment["tokens"].tolist(), segment["token_timestamps"].tolist(), strict=True):
            if token < 100:
                found.append((f" w{token}", before, time))
            before = time
    return found


@pytest.mark.parametrize("seconds", [0.7, pytest.param(3.4, marks=pytest.mark.slow)])
def test_words_are_placed_as_by_transformers(whisper, seconds):
    samples = noise(seconds, 8)
    right = words_by_transformers(whisper, samples, language="en", task="transcribe")
    parts = written(whisper.task, audio=wav(samples), language="en", words=True)
    segments = [segment for part in parts for segment in part.segments]
    words = [word for segment in segments for word in segment.words]
    assert [word.text for word in words] == [text for text, _, _ in right]
    assert len(words) > 10
    for word, (_, start, end) in zip(words, right, strict=True):
        assert (word.start, word.end) == pytest.approx((min(start, seconds), min(end, seconds)), abs=0.011)
    assert all("".join(word.text for word in segment.words) == segment.text for segment in segments)
    assert not any(s.words for part in written(whisper.task, audio=wav(samples), language="en") for s in part.segments)


def test_a_model_without_alignment_heads_refuses_words_by_name(whisper, tmp_path):
    for file in whisper.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    file = tmp_path / "generation_config.json"
    file.write_text(file.read_text().replace("alignment_heads", "other_heads"))
    task = TranscribeModule().load(Source(tmp_path))
    with pytest.raises(InvalidInputError, match="no `alignment_heads`") as error:
        written(task, audio=wav(noise(0.5)), words=True)
    assert (error.value.field, error.value.reason) == ("words", "unsupported_field")
    task.close()


def test_moonshine_is_transcribed_as_by_transformers(tmp_path):
    model = tiny_moonshine(tmp_path)
    task = TranscribeModule().load(Source(tmp_path))
    samples = noise(1.7, 6)
    with torch.inference_mode():
        made = model.generate(torch.from_numpy(samples)[None], max_new_tokens=16, do_sample=False)
    (part,) = written(task, audio=wav(samples))
    right = [int(token) for token in made[0][1:] if token != 100]
    assert tokens_of([part]) == right
    for field, value in (
        ("timestamps", True),
        ("words", True),
        ("prompt", "w1"),
        ("language", "en"),
        ("translate", True),
    ):
        with pytest.raises(InvalidInputError) as error:
            written(task, audio=wav(samples), **{field: value})
        assert (error.value.field, error.value.reason) == (field, "unsupported_field")
    task.close()


@pytest.mark.slow  # conversions
@pytest.mark.parametrize("tiny", [tiny_whisper, tiny_moonshine])
def test_openvino_writes_what_torch_writes(tmp_path, tiny):
    folder = tmp_path / "model"
    folder.mkdir()
    tiny(folder)
    backend = OpenVinoBackend()
    facts = ModelFacts("acme/speech", "safetensors", "transcribe", "", read_json(folder / "config.json"))
    backend.convert(facts, backend.conversions()[0], folder, folder)
    audio = wav(noise(2.6, 7))
    answers = []
    for source in (Source(folder), Source(folder, backend, "openvino")):
        task = TranscribeModule().load(source)
        parts = written(task, audio=audio, words=tiny is tiny_whisper)
        words = [word for part in parts for segment in part.segments for word in segment.words]
        answers.append((tokens_of(parts), [(word.start, word.end) for word in words]))
        task.close()
    assert answers[0] == answers[1]
    assert bool(answers[0][1]) == (tiny is tiny_whisper)
