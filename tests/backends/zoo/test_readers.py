"""Models that answer questions and fill masks do so as transformers', on every engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from zoo_models.classifiers import ENGINES, pipeline_of, quiet
from zoo_models.readers import PlainAnswers, ServedReader, write_reader

# Several libraries, conversions and three engines, on whatever machine this is.
pytestmark = pytest.mark.timeout(600)

KINDS = ("bert", "roberta", "distilbert", "albert", "electra", "xlm-roberta", "mpnet", "deberta-v2", "modernbert")
#: In the quick run: with token types and without.
SAMPLE = (("bert", "openvino"), ("roberta", "cpu"))
CLOSE = {"rel": 2e-3, "abs": 1e-6}

kinds_in_turn = pytest.mark.parametrize(
    ("kind", "engine"),
    [
        pytest.param(kind, engine, marks=[] if (kind, engine) in SAMPLE else [pytest.mark.slow])
        for kind in KINDS
        for engine in ENGINES
    ],
)

QUESTION = "the fox"
CONTEXT = "The quick brown fox, naïve and 中文字, sits by  the river; numbers 123 count words, and sing. "
CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    (CONTEXT, {"doc_stride": 8, "max_seq_len": 34}),
    (CONTEXT * 3, {"doc_stride": 8, "max_seq_len": 34, "top_k": 5}),
    (CONTEXT * 3, {"doc_stride": 0, "max_seq_len": 40, "top_k": 3, "handle_impossible_answer": True}),
    (CONTEXT, {"doc_stride": 4, "max_seq_len": 36, "top_k": 6, "align_to_words": False, "max_answer_len": 2}),
    ("fox", {"doc_stride": 4, "max_seq_len": 36, "handle_impossible_answer": True, "top_k": 2}),
)


@kinds_in_turn
def test_questions_have_the_answers_of_the_published_algorithm(kind: str, engine: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_reader(folder, kind, "question-answer")
    plain = PlainAnswers(folder)
    served = ServedReader(folder, "question-answer", engine, tmp_path)
    with quiet():
        for context, options in CASES:
            expected = plain(QUESTION, context, **options)
            ((*found,),) = served.answers([(QUESTION, context)], **options)
            assert {one.answer.lower(): one.score for one in found} == pytest.approx(
                {one["answer"].lower(): one["score"] for one in expected}, **CLOSE
            )
            assert all(context[one.start : one.end] == one.answer for one in found)
            scores = [one.score for one in found]
            assert scores == sorted(scores, reverse=True)


@kinds_in_turn
def test_masks_are_filled_as_by_the_pipeline(kind: str, engine: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_reader(folder, kind, "fill-mask")
    pipeline = pipeline_of(folder, "fill-mask")
    served = ServedReader(folder, "fill-mask", engine, tmp_path)
    mask = pipeline.tokenizer.mask_token
    assert served.reads.mask_token == mask
    texts = [f"The quick {mask} fox.", f"{mask}", f"a {mask} b, the words {mask} here", f"the 中文字 {mask}!"]
    with quiet():
        for options in ({}, {"top_k": 2}, {"targets": ["the", "fox"]}, {"targets": ["the"], "top_k": 3}):
            known = {**options, "targets": [t for t in options.get("targets", []) if served_has(pipeline, t)]}
            known = {name: value for name, value in known.items() if value}
            for text, masks in zip(texts, served.fillings(texts, **known), strict=True):
                expected = pipeline(text, **known)
                rows = expected if text.count(mask) > 1 else [expected]
                for found, wanted in zip(masks, rows, strict=True):
                    check(found, wanted)


def served_has(pipeline: Any, target: str) -> bool:
    return target in pipeline.tokenizer.get_vocab()


def check(found: Any, wanted: list[dict[str, Any]]) -> None:
    """The same tokens with the same texts; where two are as likely their order means nothing."""
    assert {one.token_id: one.score for one in found} == pytest.approx(
        {one["token"]: one["score"] for one in wanted}, **CLOSE
    )
    told = {one["token"]: (one["token_str"], one["sequence"]) for one in wanted}
    assert {one.token_id: (one.token, one.sequence) for one in found} == told
