"""Parts the answer to a conversation: reasoning, content and tool calls."""

from __future__ import annotations

import secrets
import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from panope_backends.tasks.generate.answer_text import TextPiece, ToolCallPiece
from panope_backends.tasks.generate.chat.marks import split_at
from panope_backends.tasks.generate.chat.tools.formats import ToolFormat
from panope_backends.tasks.generate.chat.tools.readers import CallReader, Parameters

_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class ChatFormat:
    """How the answers to one conversation are written.

    Attributes:
        tools: None where none may be called.
        tool_names: those that may be called.
        parameters: of them.
        reasoning: the marks around what is thought; None where nothing is.
        begins_reasoning: whether the prompt has opened the reasoning already.
        hidden: texts of special tokens, which are marks and no content.
        max_calls: of one answer that are told; 0 for any.
        mark_ids: the ids of those marks that are special tokens.
    """

    tools: ToolFormat | None = None
    tool_names: frozenset[str] = frozenset()
    reasoning: tuple[str, str] | None = None
    begins_reasoning: bool = False
    hidden: Collection[str] = ()
    max_calls: int = 0
    mark_ids: Mapping[str, int] = field(default_factory=dict)
    parameters: Parameters = field(default_factory=dict)


class ChatText:
    """The text of one answer, as `AnswerText`.

    Attributes:
        is_reasoning: whether what comes next is thought.
        has_calls: whether a tool was called.
        has_open_call: whether the text ended within a call, such as at a stop text.
    """

    def __init__(self, form: ChatFormat) -> None:
        self.is_reasoning = form.begins_reasoning
        self.has_calls = self.has_open_call = False
        self._form = form
        self._held = ""
        self._reader: CallReader | None = None
        self._in_calls = self._after_call = False
        self._opening = ""  # the mark before the calls that are read
        self._calls = 0
        self._is_announced = self._has_arguments = False  # of the call that is read
        self._has_content = False
        self._strips_start = False  # of what follows reasoning or a call
        self._pieces: list[TextPiece] = []

    def push(self, text: str) -> list[TextPiece]:
        """Takes what the text has more than before."""
        self._held += text
        while self._advance():
            pass
        return self._taken()

    def finish(self) -> list[TextPiece]:
        """Gives what was held back."""
        if self._reader is not None:
            self.has_open_call = self._is_announced
            self._give_up(self._reader)
        elif self._in_calls:
            self._end_calls()
        held, self._held = self._held, ""
        self._tell(held)
        return self._taken()

    def _advance(self) -> bool:
        """One step with what is held; False when more text is needed."""
        if not self._held:
            return False
        if self._reader is not None:
            return self._read_call(self._reader)
        if self._in_calls and self._form.tools is not None:
            return self._read_between(self._form.tools)
        if self.is_reasoning:
            return self._read_reasoning()
        return self._read_content()

    def _read_reasoning(self) -> bool:
        assert self._form.reasoning is not None
        text, mark, self._held = split_at(self._held, [self._form.reasoning[1]])
        self._tell(text)
        if mark:
            self.is_reasoning, self._strips_start = False, True
        return bool(mark)

    def _read_content(self) -> bool:
        tools, reasoning = self._form.tools, self._form.reasoning
        if tools is not None and not tools.begin and not self._has_content:
            start = self._held.lstrip()
            if not start:  # more of it tells
                return False
            if start[0] == tools.bare:  # nothing but calls stood before it
                self._begin_calls("")
                return True
        if reasoning is not None and not self._has_content and not self._calls:
            stripped = self._held.lstrip()
            if stripped.startswith(reasoning[0]):
                self._held = stripped[len(reasoning[0]) :]
                self.is_reasoning = self._strips_start = True
                return True
            if reasoning[0].startswith(stripped):  # perhaps; more of it tells
                return False
        text, mark, self._held = split_at(self._held, [] if tools is None else tools.begins)
        self._tell(text)
        if mark:
            self._begin_calls(mark)
        return bool(mark)

    # Calls.

    def _begin_calls(self, mark: str) -> None:
        self._in_calls, self._opening, self._after_call = True, mark, False

    def _end_calls(self) -> None:
        self._in_calls, self._strips_start = False, self._after_call
        if not self._after_call:
            self._tell(self._opening)  # which was no mark then

    def _read_between(self, tools: ToolFormat) -> bool:
        """What stands before a call or behind it."""
        rest = self._held.lstrip(tools.between)
        if self._after_call:
            self._held = rest
        if not rest:
            return False
        end = tools.end if self._after_call else ""
        if end and rest.startswith(end):
            return self._read_end(rest, end)
        if end and end.startswith(rest):  # perhaps; more of it tells
            return False
        begins = tools.begins_call(rest, is_first=not self._after_call)
        if begins is None:
            return False
        if begins:
            if not self._after_call:
                self._opening += self._held.removesuffix(rest)
            self._reader, self._is_announced, self._held = tools.reader(self._form.parameters), False, rest
            return True
        self._has_content = self._has_content or not self._after_call
        self._end_calls()
        return bool(self._held)

    def _read_end(self, rest: str, end: str) -> bool:
        self._held = rest[len(end) :]
        self._end_calls()
        return bool(self._held)

    def _read_call(self, reader: CallReader) -> bool:
        """Reads on; a character at a time until the name is known, so that how the text is cut changes nothing."""
        while self._held and not (reader.name or reader.is_broken or reader.is_done):
            self._held = self._held[reader.feed(self._held[0]) :]
        if reader.name and reader.name not in self._form.tool_names:
            self._give_up(reader)
            return bool(self._held)
        self._tell_call(reader)
        if not reader.is_broken:
            self._held = self._held[reader.feed(self._held) :]
            self._tell_call(reader)
        if reader.is_broken:
            self._give_up(reader)
        elif reader.is_done:
            self._calls += 1
            self._reader, self._after_call = None, True
        return bool(self._held)

    def _tell_call(self, reader: CallReader) -> None:
        if not reader.name or (self._form.max_calls and self._calls >= self._form.max_calls):
            return
        piece = ToolCallPiece(self._calls)
        if not self._is_announced:
            self._is_announced = self.has_calls = True
            self._has_arguments = False
            piece.id, piece.name = _call_id(self._form.tools), reader.name
        piece.arguments = reader.arguments()
        if reader.is_done and not (piece.arguments or self._has_arguments):
            piece.arguments = "{}"
        self._has_arguments = self._has_arguments or bool(piece.arguments)
        if piece.name or piece.arguments:
            self._pieces.append(TextPiece(calls=[piece]))

    def _give_up(self, reader: CallReader) -> None:
        """What was read is no call, so it is content; of one that was announced there is no more."""
        self._reader = None
        self._after_call = self._after_call or self._is_announced
        self._end_calls()
        if not self._is_announced:
            self._tell(reader.raw)

    def _tell(self, text: str) -> None:
        for hidden in self._form.hidden:
            text = text.replace(hidden, "")
        if self._strips_start:
            text = text.lstrip()
            self._strips_start = not text
        if not text:
            return
        if self.is_reasoning:
            self._pieces.append(TextPiece(reasoning=text))
        else:
            self._has_content = self._has_content or bool(text.strip())
            self._pieces.append(TextPiece(text))

    def _taken(self) -> list[TextPiece]:
        pieces, self._pieces = self._pieces, []
        return pieces


def _call_id(tools: ToolFormat | None) -> str:
    """A number by which a call's result is told; templates of Mistral's take nine letters and digits alone."""
    if tools is not None and tools.has_short_ids:
        return "".join(secrets.choice(_LETTERS) for _ in range(9))
    return f"call_{secrets.token_hex(12)}"
