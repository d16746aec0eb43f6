"""Log-probabilities as OpenAI's routes tell them: one form for chats, another, older one for completions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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


@dataclass
class TextPositions:
    """The form of completions, which counts characters from the beginning of a text: one for each answer.

    Attributes:
        offset: where the next token begins.
        rest: the bytes of a character that is not complete.
    """

    offset: int = 0
    rest: bytes = field(default=b"")

    def told(self, first: str | None, tokens: Sequence[TokenLogprobs]) -> CompletionLogprobsJson:
        """The next tokens; before them the prompt's first, which has no probability, where its text is given."""
        found: CompletionLogprobsJson = {"text_offset": [], "token_logprobs": [], "tokens": [], "top_logprobs": []}
        if first is not None:
            self._add(found, first, first.encode(), None, None)
        for each in tokens:
            best = {} if not each.top else {text_of(top.text): top.logprob for top in reversed(each.top)}
            best.setdefault(text_of(each.chosen.text), each.chosen.logprob)
            self._add(found, text_of(each.chosen.text), each.chosen.text, each.chosen.logprob, best)
        return found

    def _add(
        self,
        found: CompletionLogprobsJson,
        token: str,
        data: bytes,
        logprob: float | None,
        best: dict[str, float] | None,
    ) -> None:
        found["text_offset"].append(self.offset)
        found["tokens"].append(token)
        found["token_logprobs"].append(logprob)
        found["top_logprobs"].append(best)
        whole, self.rest = _whole_characters(self.rest + data)
        self.offset += whole


def text_of(data: bytes) -> str:
    """A token as text; one that is a part of a character as OpenAI writes it: `bytes:` and each byte as an escape."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)


def _top(told: Logprob) -> TopLogprobJson:
    return {"token": text_of(told.text), "logprob": told.logprob, "bytes": list(told.text)}


def _whole_characters(data: bytes) -> tuple[int, bytes]:
    """How many characters the bytes have, and the bytes of a last one that is not complete."""
    for cut in range(min(4, len(data) + 1)):
        try:
            return len(data[: len(data) - cut].decode()), data[len(data) - cut :]
        except UnicodeDecodeError:
            continue
    return len(data.decode(errors="replace")), b""
