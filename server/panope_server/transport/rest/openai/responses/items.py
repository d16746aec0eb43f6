"""The items of an answer, while they are written and when they are complete."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from panope_server.transport.rest.generation.logprobs import TokenLogprobJson

Event = Mapping[str, Any]

Status = Literal["in_progress", "completed", "incomplete"]


class OutputItem(ABC):
    """One item; its methods give the events that tell what becomes of it.

    Args:
        index: its position in the answer.
    """

    prefix: ClassVar[str]

    def __init__(self, index: int) -> None:
        self.id = f"{self.prefix}_{uuid.uuid4().hex}"
        self.status: Status = "in_progress"
        self._index = index
        self._texts: list[str] = []

    @abstractmethod
    def told(self) -> dict[str, Any]:
        """The item as it is."""

    @abstractmethod
    def add(self, text: str, logprobs: Sequence[TokenLogprobJson]) -> list[Event]:
        """Takes more of its text over."""

    @abstractmethod
    def done(self) -> list[Event]:
        """The events of its text's end."""

    def begin(self) -> list[Event]:
        """The events of its beginning."""
        return [{"type": "response.output_item.added", "output_index": self._index, "item": self.told()}]

    def end(self, status: Status) -> list[Event]:
        """The events of its end; none where it has ended."""
        if self.status != "in_progress":
            return []
        told = self.done()
        self.status = status
        return [*told, {"type": "response.output_item.done", "output_index": self._index, "item": self.told()}]

    @property
    def text(self) -> str:
        """What was written so far."""
        if len(self._texts) > 1:
            self._texts = ["".join(self._texts)]
        return self._texts[0] if self._texts else ""

    def _event(self, kind: str, **more: object) -> Event:
        return {"type": f"response.{kind}", "item_id": self.id, "output_index": self._index, **more}


class _ContentItem(OutputItem):
    """An item with one piece of content, a text."""

    kind: ClassVar[str]

    def begin(self) -> list[Event]:
        """The events of its beginning, and of its text's."""
        return [*super().begin(), self._event("content_part.added", content_index=0, part=self._part())]

    def add(self, text: str, logprobs: Sequence[TokenLogprobJson]) -> list[Event]:
        """The event with the text."""
        self._texts.append(text)
        return [self._event(f"{self.kind}.delta", content_index=0, delta=text, **self._more(logprobs))]

    def done(self) -> list[Event]:
        """The events with the whole text."""
        return [
            self._event(f"{self.kind}.done", content_index=0, text=self.text, **self._more(self._logprobs())),
            self._event("content_part.done", content_index=0, part=self._part()),
        ]

    def _part(self) -> dict[str, Any]:
        return {"type": self.kind, "text": self.text}

    def _more(self, logprobs: Sequence[TokenLogprobJson]) -> dict[str, Any]:
        del logprobs
        return {}

    def _logprobs(self) -> Sequence[TokenLogprobJson]:
        return ()

    def _content(self) -> list[dict[str, Any]]:
        return [self._part()] if self._texts else []


class ReasoningItem(_ContentItem):
    """What the model thought."""

    prefix = "rs"
    kind = "reasoning_text"

    def told(self) -> dict[str, Any]:
        """The item as it is."""
        return {"id": self.id, "type": "reasoning", "summary": [], "content": self._content(), "status": self.status}


class MessageItem(_ContentItem):
    """What the model said."""

    prefix = "msg"
    kind = "output_text"

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self._tokens: list[TokenLogprobJson] = []

    def told(self) -> dict[str, Any]:
        """The item as it is."""
        content = self._content()
        return {"id": self.id, "type": "message", "role": "assistant", "status": self.status, "content": content}

    def add(self, text: str, logprobs: Sequence[TokenLogprobJson]) -> list[Event]:
        """The event with the text and its tokens."""
        self._tokens += logprobs
        return super().add(text, logprobs)

    def _part(self) -> dict[str, Any]:
        return {**super()._part(), "annotations": [], "logprobs": self._tokens}

    def _more(self, logprobs: Sequence[TokenLogprobJson]) -> dict[str, Any]:
        return {"logprobs": logprobs}

    def _logprobs(self) -> Sequence[TokenLogprobJson]:
        return self._tokens


class FunctionCallItem(OutputItem):
    """What the model calls."""

    prefix = "fc"

    def __init__(self, index: int, call_id: str, name: str) -> None:
        super().__init__(index)
        self._call_id = call_id
        self._name = name

    def told(self) -> dict[str, Any]:
        """The item as it is."""
        call = {"call_id": self._call_id, "name": self._name, "arguments": self.text}
        return {"id": self.id, "type": "function_call", "status": self.status, **call}

    def add(self, text: str, logprobs: Sequence[TokenLogprobJson]) -> list[Event]:
        """The event with more of the arguments; none for none."""
        del logprobs
        if not text:
            return []
        self._texts.append(text)
        return [self._event("function_call_arguments.delta", delta=text)]

    def done(self) -> list[Event]:
        """The event with all arguments."""
        return [self._event("function_call_arguments.done", arguments=self.text, name=self._name)]
