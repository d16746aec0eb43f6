"""What the answers to one prompt have more than before, as messages to the server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from panope.worker.v1 import generate_pb2 as messages
from panope_backends.api import FinishReason, Logprob, TokenDelta, TokenLogprobs
from panope_backends.tasks.generate.answer_text import AnswerText, ToolCallPiece


@dataclass(slots=True)
class AnswerPieces:
    """What one answer has more than what was told of it.

    Attributes:
        prompt_index: the position of the prompt in the call.
        index: of the answer to it.
        text: parts the answer's text into content, reasoning and tool calls.
        keeps_tokens: whether the answer itself is told; it is not where the prompt alone was wanted.
        first_prompt_token: the text of the prompt's first token, where it is told.
    """

    prompt_index: int
    index: int
    text: AnswerText
    keeps_tokens: bool = True
    first_prompt_token: bytes = b""
    reasoning_tokens: int = 0
    _content: list[str] = field(default_factory=list)
    _reasoning: list[str] = field(default_factory=list)
    _calls: list[ToolCallPiece] = field(default_factory=list)
    _token_ids: list[int] = field(default_factory=list)
    _logprobs: list[TokenLogprobs] = field(default_factory=list)
    _prompt_logprobs: list[TokenLogprobs] = field(default_factory=list)
    _end: TokenDelta | None = None
    _has_more: bool = False
    _has_told: bool = False
    _untold: int = 0
    _has_calls: bool = False

    def begin_with(self, text: str) -> None:
        """Puts a text, such as the prompt's, before the answer."""
        self._content.append(text)
        self._has_more = True

    def take(self, delta: TokenDelta) -> None:
        """Takes what the model has told."""
        self._prompt_logprobs += delta.prompt_logprobs
        self._untold += len(delta.token_ids) or 1  # an engine that tells no tokens tells pieces of text
        if delta.finish_reason is not None:
            self._end = delta
        if self.keeps_tokens:
            self._token_ids += delta.token_ids
            self._logprobs += delta.logprobs
            self._take_text(delta)
        self._has_more = True

    def is_due(self, interval: int) -> bool:
        """Whether there is something to tell now: the first, the last, or so many tokens."""
        return self._has_more and (self._untold >= interval or not self._has_told or self._end is not None)

    def tell(self, output: messages.GenerateOutput) -> None:
        """Adds a delta of all that was taken since the last one; none where there is nothing.

        It comes once for every token of every answer, and between two steps: what most have not is not even set to
        nothing, which would cost more than all that they have.
        """
        if not self._has_more:
            return
        made = output.deltas.add()
        if self.prompt_index:
            made.prompt_index = self.prompt_index
        if self.index:
            made.index = self.index
        if self._content:
            made.text = "".join(self._content)
        if self._reasoning:
            made.reasoning = "".join(self._reasoning)
        if self._calls:
            made.tool_calls.extend(_call_messages(self._calls))
        if self._token_ids:
            made.token_ids.extend(self._token_ids)
        if self._logprobs:
            made.logprobs.extend(map(_logprobs_message, self._logprobs))
        if self._prompt_logprobs:
            made.prompt_logprobs.extend(map(_logprobs_message, self._prompt_logprobs))
        if self.first_prompt_token:
            made.first_prompt_token, self.first_prompt_token = self.first_prompt_token, b""
        if self._end is not None:
            self._tell_end(made, self._end)
        for taken in (self._content, self._reasoning, self._calls, self._token_ids):
            taken.clear()
        self._logprobs.clear()
        self._prompt_logprobs.clear()
        self._end, self._has_more = None, False
        self._has_told, self._untold = True, 0

    def _take_text(self, delta: TokenDelta) -> None:
        thinking = self.text.is_reasoning
        pieces = self.text.push(delta.text)
        if delta.finish_reason is not None:
            pieces += self.text.finish()
        for piece in pieces:
            self._content.append(piece.content)
            if piece.reasoning:
                self._reasoning.append(piece.reasoning)
            self._calls += piece.calls
        if delta.reasoning:
            self._reasoning.append(delta.reasoning)
        for call in delta.tool_calls:
            self._calls.append(ToolCallPiece(call.index, call.id, call.name, call.arguments))
        self._has_calls = self._has_calls or self.text.has_calls or bool(delta.tool_calls)
        if thinking:
            self.reasoning_tokens += len(delta.token_ids)

    def _tell_end(self, made: messages.GenerateDelta, end: TokenDelta) -> None:
        made.finish_reason = "length" if end.finish_reason is FinishReason.LENGTH else "stop"
        if not self.keeps_tokens:
            made.finish_reason = "length"
        elif self._has_calls and end.finish_reason is FinishReason.STOP and not self.text.has_open_call:
            made.finish_reason = "tool_calls"
        elif isinstance(end.stop_reason, str):
            made.stop_text = end.stop_reason
        elif end.stop_reason is not None:
            made.stop_token_id = end.stop_reason


def _call_messages(pieces: Iterable[ToolCallPiece]) -> list[messages.ToolCallDelta]:
    """The pieces, those of one call together."""
    made: list[messages.ToolCallDelta] = []
    for piece in pieces:
        if made and made[-1].index == piece.index:
            made[-1].arguments += piece.arguments
        else:
            made.append(
                messages.ToolCallDelta(index=piece.index, id=piece.id, name=piece.name, arguments=piece.arguments)
            )
    return made


def _logprobs_message(logprobs: TokenLogprobs) -> messages.TokenLogprobs:
    return messages.TokenLogprobs(chosen=_logprob_message(logprobs.chosen), top=map(_logprob_message, logprobs.top))


def _logprob_message(logprob: Logprob) -> messages.Logprob:
    return messages.Logprob(token_id=logprob.token_id, text=logprob.text, logprob=logprob.logprob)
