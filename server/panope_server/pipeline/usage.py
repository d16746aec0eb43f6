"""How much a call brought and took: tokens where there are tokens, bytes elsewhere."""

from __future__ import annotations

from panope_server.tasks.work import (
    Answer,
    DetokenizeAnswer,
    DetokenizeWork,
    EmbedAnswer,
    TensorAnswer,
    TensorWork,
    TokenizeAnswer,
    Work,
)


def units_of(work: Work, answer: Answer | None) -> tuple[int, int]:
    """Input and output; a text's tokens are known by the answer alone, so they are 0 without one."""
    given = 0
    match work:
        case TensorWork():
            given = sum(len(tensor.data) for tensor in work.inputs)
        case DetokenizeWork():
            given = sum(map(len, work.token_sequences))
    match answer:
        case EmbedAnswer():
            return sum(answer.token_counts), len(answer.vectors)
        case TensorAnswer():
            return given, sum(len(tensor.data) for tensor in answer.outputs)
        case TokenizeAnswer():
            tokens = sum(len(text.ids) for text in answer.texts)
            return tokens, tokens
        case DetokenizeAnswer():
            return given, sum(len(text.encode()) for text in answer.texts)
    return given, 0
