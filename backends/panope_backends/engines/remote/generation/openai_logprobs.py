"""Log-probabilities in the two forms of OpenAI's API: that of chats, and the older one of completions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from panope_backends.api import Logprob, TokenLogprobs
from panope_backends.engines.remote.refusals import no_answer

_ESCAPES = re.compile(r"bytes:((?:\\x[0-9a-fA-F]{2})+)")


class _Top(Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None

    def made(self) -> Logprob:
        """As the contract has it; the ids of tokens are not told."""
        return Logprob(-1, bytes(self.bytes) if self.bytes is not None else text_bytes(self.token), self.logprob)


class _Token(_Top):
    top_logprobs: list[_Top] | None = None


class ChatLogprobs(Struct):
    """The form of chats."""

    content: list[_Token] | None = None

    def entries(self) -> Iterator[TokenLogprobs]:
        """One for each token."""
        for token in self.content or ():
            try:
                yield TokenLogprobs(token.made(), tuple(top.made() for top in token.top_logprobs or ()))
            except ValueError:  # of `bytes`
                raise no_answer() from None


class CompletionLogprobs(Struct):
    """The form of completions."""

    tokens: list[str] = []
    token_logprobs: list[float | None] = []
    top_logprobs: list[dict[str, float] | None] | None = None

    def entries(self) -> Iterator[TokenLogprobs]:
        """One for each token."""
        tops = self.top_logprobs or [None] * len(self.tokens)
        if not len(self.tokens) == len(self.token_logprobs) == len(tops):
            raise no_answer()
        for token, logprob, top in zip(self.tokens, self.token_logprobs, tops, strict=True):
            likeliest = sorted((top or {}).items(), key=lambda item: -item[1])
            yield TokenLogprobs(
                Logprob(-1, text_bytes(token), 0.0 if logprob is None else logprob),
                tuple(Logprob(-1, text_bytes(text), value) for text, value in likeliest),
            )


def text_bytes(token: str) -> bytes:
    """The bytes of a token's text; a part of a character is written as `bytes:` and an escape for each."""
    if (match := _ESCAPES.fullmatch(token)) is not None:
        return bytes.fromhex(match[1].replace("\\x", ""))
    return token.encode("utf-8", "replace")
