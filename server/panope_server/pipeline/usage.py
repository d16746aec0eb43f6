"""How much a call brought and took: tokens where there are tokens, bytes elsewhere."""

from __future__ import annotations

from panope_server.tasks.embed import EmbedOutput
from panope_server.tasks.task import Input, Output
from panope_server.tasks.tensors import TensorInput, TensorOutput
from panope_server.tasks.tokenize import DetokenizeInput, DetokenizeOutput, TokenizeOutput


def units_of(task_input: Input, answer: Output | None) -> tuple[int, int]:
    """Input and output; a text's tokens are known by the answer alone, so they are 0 without one."""
    given = 0
    match task_input:
        case TensorInput():
            given = sum(len(tensor.data) for tensor in task_input.inputs)
        case DetokenizeInput():
            given = sum(map(len, task_input.token_sequences))
    match answer:
        case EmbedOutput():
            return sum(answer.token_counts), len(answer.vectors)
        case TensorOutput():
            return given, sum(len(tensor.data) for tensor in answer.outputs)
        case TokenizeOutput():
            tokens = sum(len(text.ids) for text in answer.texts)
            return tokens, tokens
        case DetokenizeOutput():
            return given, sum(len(text.encode()) for text in answer.texts)
    return given, 0
