"""Renders conversations, in the program that nothing else runs in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from jinja2 import Template, TemplateError

from panope_backends.tasks.generate.chat.environment import RaisedByTemplateError, make_environment
from panope_backends.tasks.generate.chat.template_facts import TemplateFacts, template_facts

#: Where a message's end is marked that is continued; transformers does it so.
_MARK = "CONTINUE_FINAL_MESSAGE_TAG "

#: Of what a template says when it refuses a conversation.
_MOST_WORDS = 300

#: The names under which templates read what the assistant thought; transformers fills them so.
_REASONING = ("reasoning_content", "thinking", "reasoning")


class Setup(msgspec.Struct):
    """What is rendered with: the first document.

    Attributes:
        templates: of the model, by name.
        special_tokens: by their names in templates.
        seconds: of processor time that reading the templates may take.
    """

    templates: dict[str, str]
    special_tokens: dict[str, str]
    seconds: float = 10.0


class RenderRequest(msgspec.Struct):
    """A conversation to render.

    Attributes:
        seconds: of processor time that it may take.
        characters: that the text may have.
    """

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None
    kwargs: dict[str, Any]
    continues: bool
    seconds: float
    characters: int


Fault = Literal["", "refused", "failed", "too_long", "out_of_memory", "not_continued"]


class Rendered(msgspec.Struct):
    """The text, or why there is none; `message` is the template's own words where it refuses."""

    text: str = ""
    fault: Fault = ""
    message: str = ""


class Renderer:
    """Renders one model's conversations."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._environment = make_environment()
        self._compiled: dict[str, Template] = {}

    def facts(self) -> TemplateFacts | None:
        """What the templates know; None when one of them is no template."""
        try:
            found = template_facts(self._setup.templates)
            for name in self._setup.templates:
                self._compile(name)
        except (TemplateError, RecursionError, ArithmeticError, MemoryError):
            return None
        return found

    def render(self, request: RenderRequest) -> Rendered:
        """The text of a conversation."""
        try:
            text = self._text(request)
        except RaisedByTemplateError as error:
            return Rendered(fault="refused", message=" ".join(str(error).split())[:_MOST_WORDS])
        except MemoryError:
            return Rendered(fault="out_of_memory")
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError):
            return Rendered(fault="failed")
        if text is None:
            return Rendered(fault="not_continued")
        return Rendered(text) if len(text) <= request.characters else Rendered(fault="too_long")

    def _text(self, request: RenderRequest) -> str | None:
        messages = [_with_reasoning(message) for message in request.messages]
        ending = _marked(messages[-1]) if request.continues else ""
        text = self._template(request.tools).render(
            messages=messages,
            tools=request.tools,
            documents=None,
            add_generation_prompt=not request.continues,
            **(self._setup.special_tokens | request.kwargs),
        )
        return _up_to_mark(text, ending) if request.continues else text

    def _template(self, tools: Sequence[Mapping[str, Any]] | None) -> Template:
        templates = self._setup.templates
        name = "tool_use" if tools is not None and "tool_use" in templates else "default"
        return self._compile(name if name in templates else next(iter(templates)))

    def _compile(self, name: str) -> Template:
        if name not in self._compiled:
            self._compiled[name] = self._environment.from_string(self._setup.templates[name])
        return self._compiled[name]


def _marked(message: dict[str, Any]) -> str:
    """Marks the end of a message, and gives what it ended with before."""
    content = message.get("content", "")
    if not isinstance(content, list):
        message["content"] = f"{content}{_MARK}"
        return str(content)
    last = content[-1] if content and content[-1].get("type") == "text" else {"type": "text", "text": ""}
    others = content[:-1] if content and content[-1] is last else content
    message["content"] = [*others, {**last, "text": f"{last['text']}{_MARK}"}]
    return str(last["text"])


def _with_reasoning(message: dict[str, Any]) -> dict[str, Any]:
    found = next((message[name] for name in _REASONING if message.get(name) is not None), None)
    return message if found is None else {"thinking": found, **message, "reasoning_content": found}


def _up_to_mark(text: str, ending: str) -> str | None:
    """The text up to the end of the message that is continued; None when the template has dropped or changed it."""
    mark = _MARK.strip()
    if mark not in text or ending.strip() not in text:
        return None
    place = text.rindex(mark)
    if text[place : place + len(_MARK)] == _MARK:
        return text[:place]
    return text[:place].rstrip()  # the template strips messages
