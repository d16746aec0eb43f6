"""Spans of tokens become answers: the likeliest first, never outside the context, never too long."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.tasks.question_answer.spans import Span, best_spans, joined_answers

TEXT = "Ada, ada and Bob"


def logits(tokens: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, (tokens, 2)).astype(np.float32)


@given(st.integers(4, 40), st.integers(1, 50), st.integers(1, 12), st.integers(0, 99))
def test_spans_are_the_best_of_all_pairs_in_the_context(tokens: int, count: int, longest: int, seed: int) -> None:
    values = logits(tokens, seed)
    start = np.arange(tokens) == 0
    context = np.arange(tokens) >= tokens // 3
    context[0] = False
    context[-1] = False
    spans, none = best_spans(values, context, start, count, longest)
    powers = np.where((context | start)[:, None], np.exp(values), 0)
    first, last = (powers / powers.sum(axis=0)).T
    inside = np.flatnonzero(context)
    scores = sorted((first[s] * last[e] for s in inside for e in inside if s <= e < s + longest), reverse=True)
    assert none == pytest.approx(first[0] * last[0], rel=1e-4)
    assert [span.score for span in spans] == pytest.approx(scores[:count], rel=1e-4)
    assert all(context[span.start] and context[span.end] and 0 <= span.end - span.start < longest for span in spans)


def test_a_window_of_ten_thousand_tokens_needs_no_table_of_all_pairs() -> None:
    values = logits(10_000, 0)
    context = np.arange(10_000) > 10
    (best, *_), _ = best_spans(values, context, np.arange(10_000) == 0, 5, 1024)
    assert best.end - best.start < 1024


def test_equal_answers_count_as_one_and_no_answer_is_one_where_it_may_be() -> None:
    spans = [Span(0, 3, 0.25), Span(13, 16, 0.375), Span(5, 8, 0.25)]
    windows = [(spans, lambda span: (span.start, span.end))]
    found = joined_answers(TEXT, windows, 0.0625, 3)
    assert [(one.text, one.score, one.start, one.end) for one in found] == [
        *(("Ada", 0.5, 0, 3), ("Bob", 0.375, 13, 16)),
        ("", 0.0625, 0, 0),
    ]
    assert [one.text for one in joined_answers(TEXT, windows, None, 1)] == ["Ada"]


def test_a_window_without_context_has_no_spans() -> None:
    none_of_it = np.zeros(4, bool)
    assert best_spans(logits(4, 1), none_of_it, np.arange(4) == 0, 5, 3)[0] == []
