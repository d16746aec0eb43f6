"""Log-probabilities as OpenAI's routes tell them: one form for chats, another, older one for completions."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import TypedDict

from panope_server.tasks.generate.types import Logprob, TokenLogprobs


class TopLogprobJson(TypedDict):
    """A token that was likely.

    Attributes:
        token: its text; a part of a character has none of its own and is told as `bytes`.
        bytes: of UTF-8.
    """

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprobJson(TopLogprobJson):
    """A token of an answer, and the likeliest at its position."""

    top_logprobs: list[TopLogprobJson]


class ChatLogprobsJson(TypedDict):
    """The tokens of an answer to a chat."""

    content: list[TokenLogprobJson]
    refusal: None


class CompletionLogprobsJson(TypedDict):
    """The tokens of a completion, in four lists.

    Attributes:
        text_offset: where each token begins, in characters.
        token_logprobs: null for the first token of a prompt.
        top_logprobs: the likeliest at each position by their texts; null for the first token of a prompt.
    """

    text_offset: list[int]
    token_logprobs: list[float | None]
    tokens: list[str]
    top_logprobs: list[dict[str, float] | None]


class PromptLogprobJson(TypedDict):
    """A token of a prompt, or one that was likely there.

    Attributes:
        rank: 1 for the likeliest; null where it is below those that are told.
    """

    logprob: float
    rank: int | None
    decoded_token: str


#: By token ids, for each token of a prompt; null for its first, which has no probability.
PromptLogprobsJson = list[dict[str, PromptLogprobJson] | None]


def prompt_logprobs_json(told: Sequence[TokenLogprobs]) -> PromptLogprobsJson:
    """The tokens of a prompt, as vLLM tells them."""
    return [None, *map(_of_prompt, told)]


def _of_prompt(told: TokenLogprobs) -> dict[str, PromptLogprobJson]:
    found: dict[str, PromptLogprobJson] = {
        str(each.token_id): {"logprob": each.logprob, "rank": rank, "decoded_token": text_of(each.text)}
        for rank, each in enumerate(told.top, 1)
    }
    chosen = told.chosen
    found.setdefault(
        str(chosen.token_id), {"logprob": chosen.logprob, "rank": None, "decoded_token": text_of(chosen.text)}
    )
    return found


def chat_logprobs(told: Sequence[TokenLogprobs]) -> ChatLogprobsJson:
    """The form of chats."""
    return {"content": [token_logprob(each) for each in told], "refusal": None}


def token_logprob(told: TokenLogprobs) -> TokenLogprobJson:
    """One token in the form of chats."""
    return {**_top(told.chosen), "top_logprobs": [_top(each) for each in told.top]}


class TextPositions:
    """The form of completions, which counts characters from the beginning of a text: one for each answer.

    Bytes that are no character count as what stands for them in the text, U+FFFD.
    """

    def __init__(self) -> None:
        self._offset = 0
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")

    def begun(
        self, first: bytes, prompt: Sequence[TokenLogprobs], tokens: Sequence[TokenLogprobs], text: str
    ) -> CompletionLogprobsJson:
        """The tokens that an answer with its prompt begins with.

        Args:
            first: the text of the prompt's first token, which has no probability.
            prompt: its tokens behind that one.
            tokens: of the answer.
            text: of both; where a token of the prompt is a special one that it does not show, that takes no place.
        """
        found = _nothing()
        self._add(found, first, None, None, shown=self._shown(_begin(text.encode(), first), text))
        for each in prompt:
            self._add(found, each.chosen.text, each.chosen.logprob, _best(each), self._shown(each.chosen.text, text))
        return self._added(found, tokens)

    def told(self, tokens: Sequence[TokenLogprobs]) -> CompletionLogprobsJson:
        """The next tokens."""
        return self._added(_nothing(), tokens)

    def _added(self, found: CompletionLogprobsJson, tokens: Sequence[TokenLogprobs]) -> CompletionLogprobsJson:
        for each in tokens:
            self._add(found, each.chosen.text, each.chosen.logprob, _best(each), shown=each.chosen.text)
        return found

    def _add(
        self,
        found: CompletionLogprobsJson,
        data: bytes,
        logprob: float | None,
        best: dict[str, float] | None,
        shown: bytes,
    ) -> None:
        self._offset += len(self._ended(shown))
        found["text_offset"].append(self._offset)
        found["tokens"].append(text_of(data))
        found["token_logprobs"].append(logprob)
        found["top_logprobs"].append(best)
        self._offset += len(self._characters.decode(shown))

    def _shown(self, data: bytes, text: str) -> bytes:
        """What of a token a text has at the place where it stands: all of it, or nothing."""
        state = self._characters.getstate()
        characters = self._ended(data) + self._characters.decode(data)
        self._characters.setstate(state)
        return data if text.startswith(characters, self._offset) else b""

    def _ended(self, shown: bytes) -> str:
        """What stands for the part of a character before a token that begins another: it stays a part."""
        is_part = not shown or 0x80 <= shown[0] < 0xC0
        return "" if is_part else self._characters.decode(b"", final=True)


def _best(told: TokenLogprobs) -> dict[str, float]:
    """The likeliest at a position by their texts, the token that stands there among them."""
    best = {text_of(top.text): top.logprob for top in reversed(told.top)}
    best.setdefault(text_of(told.chosen.text), told.chosen.logprob)
    return best


def _nothing() -> CompletionLogprobsJson:
    return {"text_offset": [], "token_logprobs": [], "tokens": [], "top_logprobs": []}


def _begin(text: bytes, token: bytes) -> bytes:
    """What of a token a text begins with: all of it, or all but the space that some tokenizers put before a text."""
    return next((each for each in (token, token.removeprefix(b" ")) if text.startswith(each)), b"")


def text_of(data: bytes) -> str:
    """A token as text; one that is a part of a character as OpenAI writes it: `bytes:` and each byte as an escape."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)


def _top(told: Logprob) -> TopLogprobJson:
    return {"token": text_of(told.text), "logprob": told.logprob, "bytes": list(told.text)}
