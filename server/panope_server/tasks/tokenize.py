"""Tasks `tokenize` and `detokenize`: texts to the model's tokens, and back."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class TokenizeInput:
    """Texts to split into tokens."""

    texts: list[str]
    add_special_tokens: bool = True


@dataclass(slots=True)
class TokenizedText:
    """The tokens of one text; offsets count Unicode code points, ends are exclusive.

    Attributes:
        special: whether each token was put around the text.
    """

    ids: list[int]
    tokens: list[str]
    starts: list[int]
    ends: list[int]
    special: list[bool] = field(default_factory=list)


@dataclass(slots=True)
class TokenizeOutput:
    """The tokens of each text, in order."""

    texts: list[TokenizedText]


@dataclass(slots=True)
class DetokenizeInput:
    """Token ids to join into texts."""

    token_sequences: list[list[int]]
    skip_special_tokens: bool = True


@dataclass(slots=True)
class DetokenizeOutput:
    """The texts, in order."""

    texts: list[str]
