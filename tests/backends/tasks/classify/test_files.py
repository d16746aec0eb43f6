"""What a classifier's files say: labels, the function of its scores, and what is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.errors import PreconditionError
from panope_backends.tasks.classify.files import labels_of, read_classify_files
from panope_backends.tasks.classify.functions import scores_of
from panope_backends.tasks.embed.tokenizers.tokenizer import shares

TRANSFORMER = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"}
CROSS_ENCODER = {
    "modules.json": [TRANSFORMER],
    "config_sentence_transformers.json": {
        "model_type": "CrossEncoder",
        "activation_fn": "torch.nn.modules.linear.Identity",
    },
    "sentence_bert_config.json": {
        "transformer_task": "sequence-classification",
        "module_output_name": "scores",
        "max_seq_length": 24,
    },
}


def write(folder: Path, config: dict[str, Any], **files: Any) -> Path:
    for name, content in {"config.json": config, **files}.items():
        (folder / name).write_text(json.dumps(content))
    return folder


def labels(count: int) -> dict[str, str]:
    return {str(index): f"label {index}" for index in range(count)}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ("LABEL_0", "LABEL_1")),
        ({"num_labels": 3}, ("LABEL_0", "LABEL_1", "LABEL_2")),
        ({"id2label": {"1": "b", "0": "a"}}, ("a", "b")),
        ({"id2label": {"0": 1, "1": 2}}, ("1", "2")),
    ],
)
def test_labels_are_in_the_order_of_their_ids(config: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert labels_of(config) == expected


@pytest.mark.parametrize("named", [{}, {"1": "a"}, {"0": None}, {"0": ["a"]}, ["a"], "a", {"a": 0}])
def test_labels_that_are_no_labels_are_refused(named: object) -> None:
    with pytest.raises(PreconditionError, match="id2label"):
        labels_of({"id2label": named})


@pytest.mark.parametrize(
    ("config", "function"),
    [
        ({"id2label": labels(1)}, "sigmoid"),
        ({"id2label": labels(3)}, "softmax"),
        ({"id2label": labels(3), "problem_type": "single_label_classification"}, "softmax"),
        ({"id2label": labels(3), "problem_type": "multi_label_classification"}, "sigmoid"),
        ({"id2label": labels(1), "problem_type": "regression"}, "none"),
    ],
)
def test_the_function_is_that_of_the_problem(config: dict[str, Any], function: str, tmp_path: Path) -> None:
    assert read_classify_files(write(tmp_path, config)).function == function


@pytest.mark.parametrize(
    ("config", "function"),
    [
        ({}, "sigmoid"),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}, "none"),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}}, "sigmoid"),
        ({"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}, "none"),
        (
            {
                "sentence_transformers": {"activation_fn": None},
                "sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity",
            },
            "sigmoid",
        ),
    ],
)
def test_a_cross_encoders_function_is_what_any_version_of_its_library_wrote(
    config: dict[str, Any], function: str, tmp_path: Path
) -> None:
    assert read_classify_files(write(tmp_path, {"id2label": labels(1), **config})).rerank_function == function


@pytest.mark.parametrize(("left_out", "function"), [("", "none"), ("modules.json", "sigmoid")])
def test_a_file_of_sentence_transformers_counts_beside_its_modules_alone(
    left_out: str, function: str, tmp_path: Path
) -> None:
    files = {name: content for name, content in CROSS_ENCODER.items() if name != left_out}
    inside = {"activation_fn": "torch.nn.modules.activation.Sigmoid"}
    found = read_classify_files(write(tmp_path, {"id2label": labels(1), "sentence_transformers": inside}, **files))
    assert found.rerank_function == function


@pytest.mark.parametrize("name", ["torch.nn.modules.activation.Tanh", "mine.Sigmoid", "Sigmoid"])
def test_another_function_is_refused_by_its_name(name: str, tmp_path: Path) -> None:
    config = {"id2label": labels(1), "sentence_transformers": {"activation_fn": name}}
    with pytest.raises(PreconditionError, match=f"`{name}`"):
        read_classify_files(write(tmp_path, config))


def test_the_files_of_a_cross_encoder_are_read(tmp_path: Path) -> None:
    found = read_classify_files(write(tmp_path, {"id2label": labels(1)}, **CROSS_ENCODER))
    assert (found.rerank_function, found.text.tokenizer.stated_tokens) == ("none", 24)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("modules.json", [TRANSFORMER, {"type": "x.Dense", "path": "1"}], "Transformer, Dense"),
        ("modules.json", [{"type": "x.LogitScore", "path": ""}], "LogitScore"),
        ("modules.json", [], "no module"),
        ("sentence_bert_config.json", {"transformer_task": "text-generation"}, "`transformer_task`"),
        ("sentence_bert_config.json", {"zzz": 1}, "`zzz`"),
        (
            "sentence_bert_config.json",
            {**CROSS_ENCODER["sentence_bert_config.json"], "query_length": 3},
            "`query_length`",
        ),
        ("config_sentence_transformers.json", {"default_prompt_name": "query"}, "`default_prompt_name`"),
    ],
)
def test_what_a_cross_encoder_asks_for_and_panope_lacks_is_refused(
    name: str, content: Any, words: str, tmp_path: Path
) -> None:
    files = {**CROSS_ENCODER, name: content}
    with pytest.raises(PreconditionError, match=words):
        read_classify_files(write(tmp_path, {"id2label": labels(1)}, **files))


def test_entailment_is_found_whatever_its_case_and_its_place(tmp_path: Path) -> None:
    named = {"0": "Neutral", "1": "ENTAILMENT", "2": "contradiction"}
    assert read_classify_files(write(tmp_path, {"id2label": named})).entailment == 1
    assert read_classify_files(write(tmp_path, {"id2label": labels(2)})).entailment is None


def test_scores_of_large_values_are_numbers() -> None:
    values = np.array([[1e4, -1e4, 0.0]], np.float32)
    assert scores_of(values, "softmax") == pytest.approx(np.array([[1, 0, 0]]))
    assert scores_of(values, "sigmoid") == pytest.approx(np.array([[1, 0, 0.5]]))
    assert scores_of(values, "none") is values


@pytest.mark.parametrize(
    ("first", "second", "room", "kept"),
    [
        (3, 10, 8, (3, 5)),
        (10, 3, 8, (5, 3)),
        (10, 10, 8, (4, 4)),
        (10, 10, 7, (3, 4)),
        (10, 11, 7, (3, 4)),
        (11, 10, 7, (4, 3)),
        (0, 10, 4, (0, 4)),
    ],
)
def test_of_two_texts_the_longer_loses_first(first: int, second: int, room: int, kept: tuple[int, int]) -> None:
    assert shares(first, second, room) == kept
