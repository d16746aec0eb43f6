"""Classifiers of many architectures answer as transformers' pipelines and sentence-transformers do, on every engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from zoo_models.classifiers import (
    ENGINES,
    KINDS,
    LONG,
    SECONDS,
    TEXTS,
    Served,
    cross_encoder_scores,
    pipeline_of,
    quiet,
    write_classifier,
)

from panope_backends.errors import PreconditionError

# Several libraries, conversions and three engines, on whatever machine this is.
pytestmark = pytest.mark.timeout(600)

#: In the quick run: with token types and without.
SAMPLE = (("bert", "cpu"), ("roberta", "openvino"))
CLOSE = {"rel": 2e-3, "abs": 2e-4}

#: Kinds that compute a text by its length or by the place of its first token, which graphs do not follow.
UNCONVERTED = frozenset({"big_bird", "longformer"})

#: Kinds whose answers padding reaches.
MOVED_BY_PADDING = frozenset({"convbert"})

kinds_in_turn = pytest.mark.parametrize(
    ("kind", "engine"),
    [
        pytest.param(kind, engine, marks=[] if (kind, engine) in SAMPLE else [pytest.mark.slow])
        for kind in KINDS
        for engine in ENGINES
    ],
)


def served_or_refused(folder: Path, task: str, kind: str, engine: str, scratch: Path) -> Served | None:
    """The model; None of a kind that no conversion takes, where it was refused by name."""
    if engine == "cpu" or kind not in UNCONVERTED:
        return Served(folder, task, engine, scratch)
    with pytest.raises(PreconditionError) as refusal:
        Served(folder, task, engine, scratch)
    assert refusal.value.reason == "conversion_failed"
    return None


def scores(found: list[dict[str, Any]]) -> list[tuple[str, float]]:
    return [(one["label"], one["score"]) for one in found]


def check(found: list[tuple[str, float]], expected: list[tuple[str, float]]) -> None:
    """The same scores, label by label: where two are close their order means nothing."""
    assert dict(found) == pytest.approx(dict(expected), **CLOSE)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


@kinds_in_turn
def test_texts_and_pairs_have_the_pipelines_labels(kind: str, engine: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_classifier(folder, kind, "classify")
    pipeline = pipeline_of(folder, "text-classification")
    served = served_or_refused(folder, "classify", kind, engine, tmp_path)
    if served is None:
        return
    assert list(served.facts.labels) == ["contradiction", "ENTAILMENT", "neutral"]
    assert served.facts.entailment_label == "ENTAILMENT"
    with quiet():
        for function in ("", "softmax", "sigmoid", "none"):
            options = {"function_to_apply": function} if function else {}
            expected = pipeline(list(TEXTS), top_k=None, **options)
            for found, wanted in zip(served.classify(TEXTS, function=function), expected, strict=True):
                check(found, scores(wanted))
        pairs = [{"text": one, "text_pair": other} for one, other in zip(TEXTS, SECONDS, strict=True)]
        for found, wanted in zip(
            served.classify(TEXTS, SECONDS), (pipeline(pair, top_k=None) for pair in pairs), strict=True
        ):
            check(found, scores(wanted))
        (cut,) = served.classify([LONG], ["the fox"], truncation="end")
        # A new one, for BigBird's remembers that it has had short texts.
        pipeline = pipeline_of(folder, "text-classification")
        check(cut, scores(pipeline({"text": LONG, "text_pair": "the fox"}, top_k=None, truncation="longest_first")))
    check_zero_shot(folder, served)


def check_zero_shot(folder: Path, served: Served) -> None:
    pipeline = pipeline_of(folder, "zero-shot-classification")
    labels = ["fox", "brown words", "the"]
    with quiet():
        for multi in (False, True):
            expected = pipeline(TEXTS[5], labels, multi_label=multi, hypothesis_template="It is {}!")
            found = served.zero_shot(TEXTS[5], labels, multi_label=multi, hypothesis_template="It is {}!")
            assert found == pytest.approx(dict(zip(expected["labels"], expected["scores"], strict=True)), **CLOSE)
        expected = pipeline(TEXTS[5], ["fox"])
        assert served.zero_shot(TEXTS[5], ["fox"])["fox"] == pytest.approx(expected["scores"][0], **CLOSE)
        expected = pipeline_of(folder, "zero-shot-classification")(LONG, labels)
        found = served.zero_shot(LONG, labels, truncation="end")
        assert found == pytest.approx(dict(zip(expected["labels"], expected["scores"], strict=True)), **CLOSE)


@kinds_in_turn
def test_documents_have_the_cross_encoders_scores(kind: str, engine: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_classifier(folder, kind, "rerank")
    served = served_or_refused(folder, "rerank", kind, engine, tmp_path)
    if served is None:
        return
    documents = [*TEXTS, LONG]
    query = "where is the fox"
    with quiet():
        import torch

        for options, fields in (({}, {}), ({"activation_fn": torch.nn.Identity()}, {"function": "none"})):
            expected = cross_encoder_scores(folder, [(query, document) for document in documents], options)
            assert served.rerank(query, documents, truncation="end", **fields) == pytest.approx(expected, **CLOSE)


@kinds_in_turn
def test_tokens_have_the_pipelines_entities(kind: str, engine: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_classifier(folder, kind, "token-classify")
    pipeline = pipeline_of(folder, "token-classification")
    served = served_or_refused(folder, "token-classify", kind, engine, tmp_path)
    if served is None:
        return
    with quiet():
        for aggregation in ("none", "simple", "first", "average", "max"):
            found = served.entities(TEXTS, aggregation=aggregation)
            for text, entities in zip(TEXTS, found, strict=True):
                wanted = pipeline(text, aggregation_strategy=aggregation)
                name = "entity" if aggregation == "none" else "entity_group"
                assert [(e.label, e.word, e.start, e.end) for e in entities] == [
                    (one[name], one["word"], one["start"], one["end"]) for one in wanted
                ]
                assert [e.score for e in entities] == pytest.approx([float(one["score"]) for one in wanted], **CLOSE)
                assert [e.index for e in entities] == [one.get("index", 0) for one in wanted]
        everything = served.entities([TEXTS[0]], ignore_labels=[])
        assert len(everything[0]) == len(pipeline(TEXTS[0], aggregation_strategy="simple", ignore_labels=[]))
        if kind in MOVED_BY_PADDING:  # the pipeline pads the last window, and takes what comes of it
            return
        (pieces,) = served.entities([LONG], stride=5, ignore_labels=[])
        pipeline = pipeline_of(folder, "token-classification")
        wanted = pipeline(LONG, aggregation_strategy="simple", stride=5, ignore_labels=[])
        assert [(e.label, e.start, e.end) for e in pieces] == [
            (o["entity_group"], o["start"], o["end"]) for o in wanted
        ]


def test_a_cross_encoder_of_newer_files_keeps_its_function_and_its_limit(tmp_path: Path) -> None:
    folder, saved = tmp_path / "model", tmp_path / "saved"
    write_classifier(folder, "bert", "rerank")
    with quiet():
        import torch
        from sentence_transformers import CrossEncoder

        CrossEncoder(str(folder), device="cpu", activation_fn=torch.nn.Identity(), max_length=16).save_pretrained(
            str(saved)
        )
    served = Served(saved, "rerank", "cpu", tmp_path)
    assert (served.facts.function, served.facts.max_tokens) == ("none", 16)
    documents = [TEXTS[0], LONG]
    expected = cross_encoder_scores(saved, [("a fox", document) for document in documents], {})
    assert served.rerank("a fox", documents, truncation="end") == pytest.approx(expected, **CLOSE)
    settings = json.loads((saved / "config_sentence_transformers.json").read_text())
    assert settings["model_type"] == "CrossEncoder"
