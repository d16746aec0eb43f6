"""The embed task against sentence-transformers itself, on the same seeded weights, in float32."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from panope_backends.testing.models import tiny_transformer

Write = Callable[..., Path]

TEXTS = ["w1", "w2 w3 w4 w5 w6 w7 w8 w9", "w10 w11 w12", "w20 w21 w22 w23 w24"]
POOLING_MODES = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
MODULES = {
    "Transformer": {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    "Pooling": {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    "Dense": {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"},
    "Normalize": {"idx": 3, "name": "3", "path": "3_Normalize", "type": "sentence_transformers.models.Normalize"},
}


def modules(*kinds: str) -> tuple[object, ...]:
    return tuple(MODULES[kind] for kind in kinds)


def assert_same(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("mode", POOLING_MODES)
def test_every_pooling_mode_is_sentence_transformers_own(
    sentence_model: Write, task_of, answer, vectors, reference, mode: str
) -> None:
    folder = sentence_model({"1_Pooling/config.json": {"embedding_dimension": 32, "pooling_mode": mode}})
    assert_same(vectors(answer(task_of(folder), *TEXTS)), reference(folder, TEXTS))


def test_several_pooling_modes_are_joined_in_the_order_of_older_files(
    sentence_model: Write, task_of, answer, vectors, reference
) -> None:
    flags = ("lasttoken", "mean_tokens", "cls_token", "max_tokens", "weightedmean_tokens", "mean_sqrt_len_tokens")
    pooling = {"word_embedding_dimension": 32, **{f"pooling_mode_{flag}": True for flag in flags}}
    folder = sentence_model({"1_Pooling/config.json": pooling})
    task = task_of(folder)
    assert task.facts.pooling == "cls+max+mean+mean_sqrt_len_tokens+weightedmean+lasttoken"
    assert_same(vectors(answer(task, *TEXTS)), reference(folder, TEXTS))


def test_several_pooling_modes_are_joined_as_newer_files_order_them(
    sentence_model: Write, task_of, answer, vectors, reference
) -> None:
    folder = sentence_model({"1_Pooling/config.json": {"embedding_dimension": 32, "pooling_mode": ["mean", "cls"]}})
    assert_same(vectors(answer(task_of(folder), *TEXTS)), reference(folder, TEXTS))


@pytest.mark.parametrize("mode", POOLING_MODES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_prompt_that_is_left_out_of_pooling(
    sentence_model: Write, task_of, answer, vectors, reference, mode: str, side: str
) -> None:
    folder = sentence_model(
        {
            "1_Pooling/config.json": {"embedding_dimension": 32, "pooling_mode": mode, "include_prompt": False},
            "config_sentence_transformers.json": {"prompts": {"query": "w30 w31 "}},
        }
    )
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "padding_side": side}))
    ours = vectors(answer(task_of(folder), *TEXTS, prompt_name="query"))
    assert_same(ours, reference(folder, TEXTS, prompt_name="query"))


@pytest.mark.parametrize("named", [None, "document"])
def test_prompts_go_before_each_text_by_default_or_by_name(
    sentence_model: Write, task_of, answer, vectors, reference, named: str | None
) -> None:
    prompts = {"query": "w30 w31 ", "document": "w32 "}
    folder = sentence_model({"config_sentence_transformers.json": {"prompts": prompts, "default_prompt_name": "query"}})
    fields = {} if named is None else {"prompt_name": named}
    assert_same(vectors(answer(task_of(folder), *TEXTS, **fields)), reference(folder, TEXTS, **fields))


@pytest.mark.parametrize("activation", ["Tanh", "ReLU", "GELU", "Sigmoid", "SiLU", "Identity"])
def test_dense_with_every_activation(
    sentence_model: Write, task_of, answer, vectors, reference, activation: str
) -> None:
    place = "linear" if activation == "Identity" else "activation"
    folder = dense_model(sentence_model, activation_function=f"torch.nn.modules.{place}.{activation}")
    assert_same(vectors(answer(task_of(folder), *TEXTS)), reference(folder, TEXTS))


def test_dense_with_a_residual(sentence_model: Write, task_of, answer, vectors, reference) -> None:
    folder = dense_model(sentence_model, use_residual=True)
    assert_same(vectors(answer(task_of(folder), *TEXTS)), reference(folder, TEXTS))


def test_dense_without_a_bias(sentence_model: Write, task_of, answer, vectors, reference) -> None:
    folder = dense_model(sentence_model, bias=False)
    assert_same(vectors(answer(task_of(folder), *TEXTS)), reference(folder, TEXTS))


def dense_model(write: Write, **config: object) -> Path:
    """32 to 12 values and length 1."""
    settings = {"in_features": 32, "out_features": 12, "bias": True, **config}
    folder = write({"2_Dense/config.json": settings}, modules("Transformer", "Pooling", "Dense", "Normalize"))
    values = np.random.default_rng(0)
    weights = {"linear.weight": values.standard_normal((12, 32), dtype=np.float32)}
    if settings["bias"]:
        weights["linear.bias"] = values.standard_normal(12, dtype=np.float32)
    if settings.get("use_residual"):
        weights["residual.weight"] = values.standard_normal((12, 32), dtype=np.float32)
    save_file(weights, folder / "2_Dense/model.safetensors")
    (folder / "3_Normalize").mkdir()
    return folder


def test_leading_values_are_cut_and_scaled_to_length_one_again(
    sentence_model: Write, task_of, answer, vectors, reference
) -> None:
    folder = sentence_model(modules=modules("Transformer", "Pooling", "Normalize"))
    ours = vectors(answer(task_of(folder), *TEXTS, dimensions=10))
    assert_same(ours, reference(folder, TEXTS, truncate_dim=10, normalize_embeddings=True))


def test_leading_values_of_a_model_that_does_not_normalise_stay_as_they_are(
    sentence_model: Write, task_of, answer, vectors, reference
) -> None:
    folder = sentence_model()
    assert_same(vectors(answer(task_of(folder), *TEXTS, dimensions=10)), reference(folder, TEXTS, truncate_dim=10))


def test_the_dimensions_that_the_model_names_are_the_default(
    sentence_model: Write, task_of, answer, vectors, reference
) -> None:
    folder = sentence_model({"config_sentence_transformers.json": {"truncate_dim": 6}})
    task = task_of(folder)
    assert task.facts.dimensions == 6
    assert_same(vectors(answer(task, *TEXTS)), reference(folder, TEXTS))
    assert answer(task, *TEXTS, dimensions=32).dimensions == 32


def test_the_dimensions_that_the_model_names_are_cut_of_vectors_that_it_normalised(
    sentence_model: Write, task_of, answer, vectors, reference
) -> None:
    """As in the library, they are shorter than 1, unless a request says otherwise."""
    files = {"config_sentence_transformers.json": {"truncate_dim": 6}}
    folder = sentence_model(files, modules=modules("Transformer", "Pooling", "Normalize"))
    task = task_of(folder)
    assert not task.facts.normalize
    assert_same(vectors(answer(task, *TEXTS)), reference(folder, TEXTS))
    assert_same(vectors(answer(task, *TEXTS, normalize=True)), reference(folder, TEXTS, normalize_embeddings=True))


def test_texts_are_cut_at_the_end_as_sentence_transformers_cuts_them(
    sentence_model: Write, task_of, answer, vectors, reference
) -> None:
    folder = sentence_model({"sentence_bert_config.json": {"max_seq_length": 6, "do_lower_case": False}})
    result = answer(task_of(folder), *TEXTS, truncation="end")
    assert list(result.truncated_indices) == [1, 3]
    assert list(result.token_counts) == [3, 6, 5, 6]
    assert_same(vectors(result), reference(folder, TEXTS))


def test_lower_case_is_applied_before_the_tokenizer(sentence_model: Write, task_of, answer, vectors, reference) -> None:
    folder = sentence_model({"sentence_bert_config.json": {"max_seq_length": 40, "do_lower_case": True}})
    texts = ["W1 w2", "W3"]
    assert_same(vectors(answer(task_of(folder), *texts)), reference(folder, texts))


def test_a_plain_transformers_model_is_mean_pooled(tiny_bert: Path, task_of, answer, vectors, reference) -> None:
    assert_same(vectors(answer(task_of(tiny_bert), *TEXTS)), reference(tiny_bert, TEXTS))


def test_a_decoder_with_left_padding_gives_its_last_token(
    tmp_path: Path, sentence_model: Write, task_of, answer, vectors, reference
) -> None:
    folder = sentence_model(
        {"1_Pooling/config.json": {"embedding_dimension": 32, "pooling_mode": "lasttoken"}},
        modules("Transformer", "Pooling", "Normalize"),
    )
    tiny_transformer(folder, "mistral", num_key_value_heads=2)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "padding_side": "left"}))
    assert_same(vectors(answer(task_of(folder), *TEXTS)), reference(folder, TEXTS))


@pytest.mark.parametrize("kind", ["mpnet", "roberta", "distilbert"])
def test_other_encoders_need_no_code_of_their_own(
    sentence_model: Write, task_of, answer, vectors, reference, kind: str
) -> None:
    folder = sentence_model()
    sizes = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64} if kind == "distilbert" else {}
    tiny_transformer(folder, kind, **sizes)
    assert_same(vectors(answer(task_of(folder), *TEXTS)), reference(folder, TEXTS))
