"""Prompts of models that fill in what stands between two texts, as models of code are trained to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

#: The tokens before the text, between it and what comes behind, and before the answer. Each family writes them in this
#: order (PSM of Bavarian et al., "Efficient Training of Language Models to Fill in the Middle").
#: Those of CodeLlama and Codestral are left out: their texts lose a space that SentencePiece adds.
_MARKS = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),  # Qwen2.5-Coder, CodeGemma
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),  # StarCoder, Granite Code
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),  # SantaCoder
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),  # DeepSeek-Coder
)


class Vocabulary(Protocol):
    """The tokens of a model."""

    def token_id(self, token: str) -> int | None:
        """The id of a token; None where there is no such token."""


@dataclass(frozen=True)
class FillIn:
    """The tokens around the two texts, by their ids.

    Attributes:
        before: the text that the answer follows.
        between: the two texts.
        behind: both; the answer comes next.
    """

    before: int
    between: int
    behind: int

    def tokens(self, text: list[int], suffix: list[int]) -> list[int]:
        """The prompt of the tokens of both texts."""
        return [self.before, *text, self.between, *suffix, self.behind]


def fill_in_of(vocabulary: Vocabulary) -> FillIn | None:
    """How a model is asked to fill in; None for one that only continues texts."""
    for marks in _MARKS:
        before, between, behind = map(vocabulary.token_id, marks)
        if before is not None and between is not None and behind is not None:
            return FillIn(before, between, behind)
    return None
