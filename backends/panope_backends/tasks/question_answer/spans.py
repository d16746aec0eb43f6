"""Answers of the values that a model gives each token as a start and as an end.

The algorithm is that of transformers 4's QuestionAnsweringPipeline, which transformers 5 has no more: in each window
the probabilities of starts and ends are softmaxes over the context's tokens and the one that starts the window, a
span's score is their product, and spans with the same text count as one, with the sum of their scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from panope_backends.tasks.task import Rows

Flags = NDArray[np.bool_]


@dataclass(slots=True)
class Span:
    """Tokens of a window.

    Attributes:
        start: the position of the first.
        end: that of the last.
    """

    start: int
    end: int
    score: float


@dataclass(slots=True)
class Answer:
    """A part of a context.

    Attributes:
        text: empty for no answer.
        start: where it starts in the context, in code points.
        end: where it ends (exclusive).
    """

    text: str
    score: float
    start: int
    end: int


Place = Callable[[Span], tuple[int, int]]
"""Where a span starts and ends in the context."""


def best_spans(logits: Rows, context: Flags, start: Flags, count: int, max_tokens: int) -> tuple[list[Span], float]:
    """The likeliest spans of a window, the best first, and how likely it is that it has no answer.

    Args:
        logits: tokens × 2: of being the first token of an answer, and the last.
        context: which tokens are the context's.
        start: which tokens start a text; that at position 0 stands for no answer.
        count: how many at most.
        max_tokens: of a span.
    """
    first, last = (_probabilities(column, context | start) for column in logits.T)
    none = float(first[0] * last[0])
    width = min(max_tokens, len(first))
    # Products of each start with the ends that are near enough: all of them would be tokens × tokens.
    ends = sliding_window_view(np.concatenate([np.where(context, last, -1), np.full(width - 1, -1.0)]), width)
    scores = (np.where(context, first, 0)[:, None] * ends).astype(np.float32)
    scores[(ends < 0) | ~context[:, None]] = -1
    flat = scores.ravel()
    order = np.argpartition(-flat, count)[:count] if count < len(flat) else np.arange(len(flat))
    order = order[np.argsort(-flat[order], kind="stable")]
    return [
        Span(at // width, at // width + at % width, float(flat[at])) for at in order.tolist() if flat[at] >= 0
    ], none


def joined_answers(
    context: str, windows: Iterable[tuple[Sequence[Span], Place]], none: float | None, top_k: int
) -> list[Answer]:
    """The answers of all windows of one context, the best first.

    Args:
        context: the text.
        windows: the spans of each, and where they are.
        none: the score of no answer; None where that is no answer.
        top_k: how many at most.
    """
    found: dict[str, Answer] = {}
    for spans, place in windows:
        for span in spans:
            start, end = place(span)
            text = context[start:end]
            known = found.setdefault(text.lower(), Answer(text, 0.0, start, end))
            known.score += span.score
    answers = list(found.values())
    if none is not None:
        answers.append(Answer("", none, 0, 0))
    return sorted(answers, key=lambda answer: -answer.score)[:top_k]


def _probabilities(values: Rows, counted: Flags) -> Rows:
    powers = np.where(counted, np.exp(values - values[counted].max(initial=-np.inf)), 0)
    probabilities: Rows = powers / powers.sum()
    return probabilities
