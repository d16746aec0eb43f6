"""What becomes of texts that an encoder reads: as the model's files say, and as a call asks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from panope.worker.v1 import generate_pb2 as messages
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.generate.defaults import GenerationDefaults, read_defaults
from panope_backends.tasks.generate.tokenizer.languages import languages_of
from panope_backends.tasks.generate.tokenizer.prepared import LanguageTokens

BACKEND = "ChecksumEncoderDecoderBackend"
EOS = 257
LANGUAGES = {"en": LanguageTokens((258,), (EOS,), 258), "de": LanguageTokens((259,), (EOS,), 259)}
TASKS = {
    "summarization": {"prefix": "sum: ", "max_length": 30, "min_length": 9, "num_beams": 4},
    "translation_en_to_de": {"prefix": "to de: "},
}
BEYOND = {
    "decoder_start_token_id": 3,
    "max_length": 12,
    "num_beams": 4,
    "no_repeat_ngram_size": 3,
    "early_stopping": True,
    "bad_words_ids": [[5], [6, 7]],
    "eos_token_id": EOS,
}

Load = Callable[..., Any]


@pytest.fixture
def encoder(byte_model: Path, generator: Load) -> Load:
    """Loads the model with an encoder."""

    def load(languages: dict[str, LanguageTokens] | None = None, **generation: Any) -> Any:
        config = json.loads((byte_model / "config.json").read_text())
        config |= {"is_encoder_decoder": True, "max_source_length": 20, "task_specific_params": TASKS}
        (byte_model / "config.json").write_text(json.dumps(config))
        given = {key: value for key, value in (BEYOND | generation).items() if value is not None}
        (byte_model / "generation_config.json").write_text(json.dumps(given))
        return generator(BACKEND, languages=languages)

    return load


def asked(model: Any, text: str = "ab", **fields: Any) -> Any:
    (request,) = model.job(prompts=[text], text_to_text=messages.TextToText(**fields)).requests
    return request


def refused(model: Any, **fields: Any) -> str:
    with pytest.raises(InvalidInputError) as refusal:
        asked(model, **fields)
    assert refusal.value.field is not None
    return refusal.value.field


def test_a_prompt_goes_to_the_encoder_and_answers_begin_as_the_files_say(encoder: Load) -> None:
    model = encoder()
    assert (model.facts.max_source_length, model.facts.max_positions) == (20, 2048)
    assert list(model.facts.ignored_defaults) == ["num_beams"]
    assert json.loads(model.facts.defaults_json) == {"max_tokens": 11, "no_repeat_ngram_size": 3}
    assert "prompt_logprobs" not in model.facts.honoured
    (request,) = model.job(prompts=["ab"]).requests
    assert request.prompt_token_ids == (256, 64, 65)
    assert (request.max_tokens, dict(request.sampling.logit_bias)) == (11, {5: -1e9})  # without the start
    (part,) = model.run(prompts=["ab"], ignore_eos=True)
    assert (part.usage.prompt_tokens, part.usage.completion_tokens) == (3, 11)
    assert 5 not in part.deltas[0].token_ids


def test_a_forced_first_token_is_what_answers_go_on_from(encoder: Load) -> None:
    model = encoder(forced_bos_token_id=9)
    assert asked(model).decoder_token_ids == (3, 9)
    assert asked(model).max_tokens == 10


def test_answers_keep_to_what_the_files_say_of_their_words_and_their_end(encoder: Load) -> None:
    model = encoder(min_length=7, forced_eos_token_id=EOS, eos_token_id=EOS)
    request = asked(model)
    assert (request.sampling.no_repeat_ngram_size, request.min_tokens, request.max_tokens) == (3, 6, 11)
    (part,) = model.run(prompts=["ab"])
    tokens = part.deltas[0].token_ids
    assert (len(tokens), tokens[-1], part.deltas[0].finish_reason) == (11, EOS, "stop")
    (part,) = model.run(prompts=["ab"], max_tokens=2)
    assert part.deltas[0].token_ids[-1] == EOS
    (part,) = model.run(prompts=["ab"], ignore_eos=True)
    assert EOS not in part.deltas[0].token_ids


def test_older_models_say_it_in_config_json_and_their_types_say_the_rest(tmp_path: Path) -> None:
    config = {"is_encoder_decoder": True, "decoder_start_token_id": 2, "no_repeat_ngram_size": 3, "min_length": 56}
    found = read_defaults(tmp_path, {**config, "model_type": "bart"})
    assert (found.values, found.forced_eos_token_ids) == ({"no_repeat_ngram_size": 3, "min_tokens": 55}, (2,))
    assert read_defaults(tmp_path, {**config, "model_type": "marian", "forced_eos_token_id": 7}) == replace(
        found, forced_eos_token_ids=(7,)
    )
    (tmp_path / "generation_config.json").write_text(json.dumps({"min_new_tokens": 4}))
    found = read_defaults(tmp_path, {**config, "model_type": "bart"})
    assert (found.values, found.forced_eos_token_ids) == ({"min_tokens": 4}, ())


def test_what_an_engine_cannot_do_of_it_is_told() -> None:
    found = GenerationDefaults({"no_repeat_ngram_size": 3}, forced_eos_token_ids=(2,), ignored=("num_beams",))
    assert found.honoured_by(frozenset()).ignored == ("num_beams", "no_repeat_ngram_size", "forced_eos_token_id")
    assert found.honoured_by(frozenset({"no_repeat_ngram_size", "forced_eos_token_ids"})) == found


def test_numbers_that_mean_nothing_are_left_out_and_told(tmp_path: Path) -> None:
    written = {
        "top_k": 10**39,
        "max_new_tokens": 1 << 70,
        "min_p": -1,
        "temperature": float("inf"),
        "no_repeat_ngram_size": 65,
    }
    ids = {"eos_token_id": [2, 1 << 70, -1, True], "suppress_tokens": [3, 900], "forced_eos_token_id": 900}
    (tmp_path / "generation_config.json").write_text(json.dumps({**written, **ids}))
    found = read_defaults(tmp_path, {})
    assert (found.values, found.eos_token_ids, found.ignored) == ({}, (2,), ("no_repeat_ngram_size",))
    names = frozenset({"logit_bias", "forced_eos_token_ids"})
    assert found.honoured_by(names, 900) == replace(found, suppressed_token_ids=(3,), forced_eos_token_ids=())
    assert found.honoured_by(names) == found


def test_without_a_start_the_model_is_refused(encoder: Load) -> None:
    with pytest.raises(PreconditionError, match="decoder_start_token_id"):
        encoder(decoder_start_token_id=None)


def test_a_task_has_the_words_and_lengths_of_the_files(encoder: Load) -> None:
    model = encoder()
    request = asked(model, task="summarization")
    assert bytes(byte_of(token) for token in request.prompt_token_ids[1:]) == b"sum: ab"
    assert (request.max_tokens, request.min_tokens) == (29, 8)
    request = asked(model, task="summarization", max_length=6)
    assert (request.max_tokens, request.min_tokens) == (5, 5)
    assert asked(model, task="translation", source_language="en", target_language="de").prompt_token_ids[1:4] == tuple(
        token_of(character) for character in "to "
    )


def test_a_calls_own_limits_come_first(encoder: Load) -> None:
    model = encoder()
    text = messages.TextToText(task="summarization")
    (request,) = model.job(prompts=["ab"], text_to_text=text, max_tokens=4).requests
    assert (request.max_tokens, request.min_tokens) == (4, 4)
    (request,) = model.job(prompts=["ab"], text_to_text=text, min_tokens=20).requests
    assert (request.max_tokens, request.min_tokens) == (29, 20)


def test_a_text_that_is_too_long_is_refused_or_cut_at_its_end(encoder: Load) -> None:
    model = encoder()
    with pytest.raises(InvalidInputError, match="encoder reads 20 at most") as refusal:
        asked(model, "a" * 20)
    assert (refusal.value.field, refusal.value.reason) == ("prompts[0]", "context_length_exceeded")
    request = asked(model, "b" + "a" * 50, truncate=True)
    assert len(request.prompt_token_ids) == 20
    assert request.prompt_token_ids[:2] == (256, token_of("b"))
    model.run(prompts=["a" * 19])


def test_languages_that_nothing_tells_are_refused_by_name(encoder: Load) -> None:
    model = encoder()
    assert refused(model, source_language="en") == "source_language"
    assert refused(model, target_language="de") == "target_language"
    assert refused(model, source_language="de", target_language="en") == "source_language"


def test_languages_are_told_by_their_tokens(encoder: Load) -> None:
    model = encoder(LANGUAGES)
    assert list(model.facts.languages) == ["de", "en"]
    request = asked(model, source_language="en", target_language="de")
    assert request.prompt_token_ids == (258, token_of("a"), token_of("b"), EOS)
    assert request.decoder_token_ids == (3, 259)
    request = asked(model, "ab" * 30, source_language="en", target_language="de", truncate=True)
    assert (len(request.prompt_token_ids), request.prompt_token_ids[0], request.prompt_token_ids[-1]) == (20, 258, EOS)
    assert refused(model, source_language="fr") == "source_language"
    assert refused(model, target_language="fr") == "target_language"
    assert refused(model, task="translation") == "target_language"


def test_a_decoder_that_starts_with_a_language_starts_with_the_target(encoder: Load) -> None:
    model = encoder(LANGUAGES, decoder_start_token_id=258)
    assert asked(model, target_language="de").decoder_token_ids == (259,)
    assert asked(model, task="translation").decoder_token_ids == (258,)


def test_a_model_without_an_encoder_refuses_it(generator: Load) -> None:
    assert refused(generator(), task="summarization") == "text_to_text"


@pytest.mark.parametrize(
    ("kind", "count", "name", "around"),
    [
        ("NllbTokenizer", 202, "deu_Latn", lambda code, eos: ((code,), (eos,))),
        ("MBart50Tokenizer", 52, "de_DE", lambda code, eos: ((code,), (eos,))),
        ("MBartTokenizer", 25, "de_DE", lambda code, eos: ((), (eos, code))),
    ],
)
def test_languages_are_read_from_transformers_tokenizers(kind: str, count: int, name: str, around: Any) -> None:
    import transformers

    made = getattr(transformers, kind)()
    usual = made("a")["input_ids"]
    found = languages_of(made)
    assert len(found) == count
    code = made.convert_tokens_to_ids(name)
    assert found[name] == LanguageTokens(*around(code, made.eos_token_id), code)
    assert made("a")["input_ids"] == usual
    assert languages_of(transformers.T5Tokenizer()) == {}


def token_of(character: str) -> int:
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet()).index(character.replace(" ", "Ġ"))


def byte_of(token: int) -> int:
    from tokenizers import pre_tokenizers

    return ord(sorted(pre_tokenizers.ByteLevel.alphabet())[token].replace("Ġ", " "))
