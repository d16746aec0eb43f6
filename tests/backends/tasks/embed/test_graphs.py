"""Graphs that other exporters made: which of their outputs counts, and shapes that they fixed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.api import LoadOptions, ModelFacts, TensorSpec
from panope_backends.engines.onnx.model import load_onnx_model
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.model_facts.text_graphs import TextShape, text_outputs, text_shape
from panope_backends.plugins import load_backend
from panope_backends.tasks.embed.embed import EmbedSequenceTask
from panope_backends.tasks.embed.files.config_files import read_embed_files
from panope_backends.tasks.embed.tokenizers.preparing import prepare_tokenizer
from panope_backends.tasks.embed.tokenizers.tokenizer import TextTokenizer
from panope_backends.testing.graphs import WIDTH, text_graph
from panope_backends.testing.models import VOCABULARY

TEXTS = ("w1 w2 w3 w4 w5", "w6", "w7 w8")
CONFIG = {"model_type": "bert", "hidden_size": WIDTH, "vocab_size": VOCABULARY, "max_position_embeddings": 48}

Answer = Callable[..., Any]
Vectors = Callable[[Any], np.ndarray]


@pytest.fixture
def make_task(tmp_path: Path, tiny_bert: Path) -> Callable[..., EmbedSequenceTask]:
    """The task on a graph, with sentence-transformers' files where `described`."""

    def make(
        outputs: dict[str, str], *, described: bool = True, prompts: bool = False, **shape: Any
    ) -> EmbedSequenceTask:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile(tiny_bert / name, tmp_path / name)
        (tmp_path / "config.json").write_text(json.dumps(CONFIG))
        if described:
            kinds = ((("", "Transformer")), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
            modules = [
                {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
                for n, (path, kind) in enumerate(kinds)
            ]
            (tmp_path / "modules.json").write_text(json.dumps(modules))
            (tmp_path / "1_Pooling").mkdir(exist_ok=True)
            pooling = {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True}
            pooling |= {"include_prompt": False} if prompts else {}
            (tmp_path / "1_Pooling/config.json").write_text(json.dumps(pooling))
        if prompts:
            (tmp_path / "config_sentence_transformers.json").write_text(json.dumps({"prompts": {"query": "w9 w10"}}))
        text_graph(tmp_path / "model.onnx", outputs, **shape)
        files = read_embed_files(tmp_path)
        prepared = prepare_tokenizer(files)
        facts = ModelFacts("test/graph", "onnx", "embed", "", files.config)
        model = load_backend("cpu").load(facts, tmp_path, "CPU", LoadOptions())
        task = EmbedSequenceTask(files, TextTokenizer(prepared), model, max_tokens=prepared.max_tokens or 40)
        task.trial()
        return task

    return make


@pytest.fixture
def graph_says(tmp_path: Path) -> Callable[..., np.ndarray]:
    """What a graph's output gives for each of the texts by itself."""

    def say(task: EmbedSequenceTask, output: str) -> np.ndarray:
        model = load_onnx_model(tmp_path, 1)
        rows = [task._tokenizer.encode([text])[0] for text in TEXTS]
        arrays = [{"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), np.int64)} for ids in rows]
        return np.concatenate([model.run(each, (output,))[output] for each in arrays])

    return say


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_finished_vectors_alone_are_taken(
    make_task: Callable[..., EmbedSequenceTask], answer: Answer, vectors: Vectors, graph_says: Callable[..., np.ndarray]
) -> None:
    task = make_task({"sentence_embedding": "first"}, described=False)
    found = vectors(answer(task, *TEXTS))
    np.testing.assert_allclose(found, graph_says(task, "sentence_embedding"), atol=1e-5)


@pytest.mark.parametrize("described", [True, False], ids=["modules.json", "plain"])
def test_finished_vectors_count_where_pooling_comes_to_others(
    make_task: Callable[..., EmbedSequenceTask],
    answer: Answer,
    vectors: Vectors,
    graph_says: Callable[..., np.ndarray],
    described: bool,
) -> None:
    task = make_task({"token_embeddings": "tokens", "sentence_embedding": "first"}, described=described)
    expected = graph_says(task, "sentence_embedding")
    np.testing.assert_allclose(unit(vectors(answer(task, *TEXTS))), unit(expected), atol=1e-5)


def test_tokens_are_pooled_where_that_comes_to_the_graphs_own_vectors(
    make_task: Callable[..., EmbedSequenceTask], answer: Answer, vectors: Vectors, graph_says: Callable[..., np.ndarray]
) -> None:
    task = make_task({"token_embeddings": "tokens", "sentence_embedding": "unit mean"})
    np.testing.assert_allclose(vectors(answer(task, *TEXTS)), graph_says(task, "sentence_embedding"), atol=1e-5)
    assert np.linalg.norm(vectors(answer(task, *TEXTS, normalize=False)), axis=1).min() > 1.5  # still to be had


def test_what_a_graph_has_normalized_is_not_given_as_if_it_had_not(
    make_task: Callable[..., EmbedSequenceTask], answer: Answer
) -> None:
    task = make_task({"sentence_embedding": "unit mean"}, described=False)
    assert task.facts.normalize
    with pytest.raises(InvalidInputError, match="itself scales vectors to length 1") as caught:
        answer(task, *TEXTS, normalize=False)
    assert caught.value.field == "normalize"


def test_a_graph_that_pools_prompts_in_is_refused_where_they_are_to_be_left_out(
    make_task: Callable[..., EmbedSequenceTask],
) -> None:
    with pytest.raises(PreconditionError, match="`include_prompt`"):
        make_task({"sentence_embedding": "mean"}, prompts=True)


@pytest.mark.parametrize(
    "shape",
    [{"batch": 1}, {"batch": 2}, {"length": 16}, {"batch": 1, "length": 16}, {"batch": 4, "length": 9}],
    ids=str,
)
def test_a_graph_of_a_fixed_shape_answers_as_one_of_a_free_shape(
    make_task: Callable[..., EmbedSequenceTask], answer: Answer, vectors: Vectors, shape: dict[str, int]
) -> None:
    free = vectors(answer(make_task({"last_hidden_state": "tokens"}), *TEXTS))
    task = make_task({"last_hidden_state": "tokens"}, **shape)
    np.testing.assert_allclose(vectors(answer(task, *TEXTS)), free, atol=1e-6)
    assert task.facts.max_tokens == shape.get("length", 48)


def test_a_text_longer_than_a_fixed_length_is_refused_with_that_length(
    make_task: Callable[..., EmbedSequenceTask], answer: Answer
) -> None:
    task = make_task({"last_hidden_state": "tokens"}, length=8)
    with pytest.raises(InvalidInputError, match="at most 8"):
        answer(task, "w1 " * 9)


def specs(**shapes: tuple[int, ...]) -> list[TensorSpec]:
    return [TensorSpec(name, "float32", shape) for name, shape in shapes.items()]


@pytest.mark.parametrize(
    ("outputs", "config", "chosen"),
    [
        (specs(logits=(-1, -1, 97), last_hidden_state=(-1, -1, 16)), CONFIG, ("last_hidden_state", "")),
        (specs(output=(-1, -1, 16)), CONFIG, ("output", "")),
        (specs(output=(-1, -1, -1)), CONFIG, ("output", "")),
        (specs(words=(-1, -1, 97), output=(-1, -1, 16)), CONFIG, ("output", "")),
        (specs(output=(-1, -1, 16)), {}, ("output", "")),
        (specs(output=(-1, -1, 16)), {"n_embd": 16, "vocab_size": 97}, ("output", "")),
        (
            specs(token_embeddings=(-1, -1, 16), sentence_embedding=(-1, 8)),
            CONFIG,
            ("token_embeddings", "sentence_embedding"),
        ),
        (specs(sentence_embedding=(-1, 16), logits=(-1, -1, 97)), CONFIG, ("", "sentence_embedding")),
        (specs(output=(-1, -1, 64)), CONFIG | {"vocab_size": 64, "hidden_size": 64}, ("output", "")),
    ],
)
def test_the_output_that_embeds_is_told_by_name_and_width(
    outputs: list[TensorSpec], config: dict[str, int], chosen: tuple[str, str]
) -> None:
    found = text_outputs(outputs, config)
    assert (found.tokens, found.sentence) == chosen


@pytest.mark.parametrize(
    ("outputs", "config"),
    [
        (specs(logits=(-1, -1, 97)), CONFIG),
        (specs(logits=(-1, -1, -1)), {}),
        (specs(start_logits=(-1, -1, 16)), CONFIG),
        (specs(prediction_scores=(-1, -1, -1)), CONFIG),
        (specs(output=(-1, -1, 97)), CONFIG),
        (specs(last_hidden_state=(-1, -1, 97)), CONFIG),
        (specs(output=(-1, -1, 24)), CONFIG),
        (specs(logits=(-1, 2)), CONFIG),
        (specs(one=(-1, -1, 16), other=(-1, -1, 16)), CONFIG),
        (specs(sentence_embedding=(-1, -1, 97)), CONFIG),
    ],
)
def test_values_for_words_or_labels_are_never_pooled(outputs: list[TensorSpec], config: dict[str, int]) -> None:
    with pytest.raises(PreconditionError, match=f"`{outputs[0].name}`"):
        text_outputs(outputs, config)


def test_inputs_tell_the_shape_that_was_fixed() -> None:
    assert text_shape(specs(input_ids=(-1, -1))) == TextShape()
    assert text_shape(specs(input_ids=(1, 128), attention_mask=(1, 128))) == TextShape(1, 128)
    assert text_shape(specs(input_ids=(-1, 128), attention_mask=(-1, -1))) == TextShape(0, 128)


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        (specs(input_ids=(-1, -1), decoder_input_ids=(-1, -1)), "decoder_input_ids"),
        (specs(attention_mask=(-1, -1)), "texts give only"),
        (specs(input_ids=(-1,)), "1 axes"),
        (specs(input_ids=(1, 8), attention_mask=(1, 16)), "different fixed shapes"),
        (specs(input_ids=(1, 8)), "no attention_mask"),
    ],
)
def test_a_graph_that_texts_cannot_feed_is_refused(inputs: list[TensorSpec], told: str) -> None:
    with pytest.raises(PreconditionError, match=told):
        text_shape(inputs)
