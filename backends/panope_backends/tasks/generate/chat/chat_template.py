"""A model's chat template: from conversations to prompts, and how their answers are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from panope.worker.v1 import generate_pb2 as wire
from panope_backends.api import Grammar
from panope_backends.errors import Field, InvalidInputError
from panope_backends.tasks.generate.chat.answer_grammars import after_reasoning, calls_grammar, strict_grammar
from panope_backends.tasks.generate.chat.chat_text import ChatFormat
from panope_backends.tasks.generate.chat.conversations import Seen, kwargs_of, messages_of, plain_texts, tools_of
from panope_backends.tasks.generate.chat.reasoning import reasoning_marks
from panope_backends.tasks.generate.chat.render import RenderRequest, Setup
from panope_backends.tasks.generate.chat.render_process import RenderProcess
from panope_backends.tasks.generate.chat.template_facts import TemplateFacts
from panope_backends.tasks.generate.chat.tools.formats import tool_format

_NAMED = "name:"

#: A template is read once, which takes longer than to render with it.
_FACTOR_TO_READ = 5


@dataclass(frozen=True)
class ChatPrompt:
    """A conversation as the model sees it.

    Attributes:
        text: with the template's special tokens.
        form: of the answers.
        grammar: that they must match; None for none.
    """

    text: str
    form: ChatFormat
    grammar: Grammar | None


class ChatTemplate:
    """Renders the conversations of one model.

    Args:
        facts: of its templates.
        process: that renders them.
        special_ids: texts of special tokens -> their ids.
        seconds: of processor time that rendering may take.
        characters: that a rendered conversation may have.
    """

    def __init__(
        self,
        facts: TemplateFacts,
        process: RenderProcess,
        special_ids: Mapping[str, int],
        *,
        seconds: float,
        characters: int,
    ) -> None:
        self.facts = facts
        self.tools = tool_format(facts.text)
        self.reasoning = reasoning_marks(facts.text)
        self.seen = Seen()
        """How the model sees images."""
        self._process = process
        self._special_ids = special_ids
        self._seconds = seconds
        self._characters = characters

    def prompt(self, conversation: wire.Conversation, grammar: Grammar | None) -> ChatPrompt:
        """A conversation as the model sees it.

        Args:
            conversation: of the server's message.
            grammar: that the caller asks for.

        Raises:
            InvalidInputError: naming the field that is at fault.
            PreconditionError: the template takes too much time or memory.
        """
        tools = tools_of(conversation)
        if tools and not (self.facts.has_tools or self.facts.has_tools_in_message):
            raise InvalidInputError.at("tools", "{field} are not known to the model's chat template")
        request = RenderRequest(
            messages=messages_of(conversation, self.facts, tools, self.seen),
            tools=tools,
            kwargs=kwargs_of(conversation, self.facts),
            continues=conversation.continue_final_message,
            seconds=self._seconds,
            characters=self._characters,
        )
        text = self._rendered(request)
        callable_tools = _callable(tools or [], conversation.tool_choice)
        form = self._form(text, callable_tools, parallel=conversation.parallel_tool_calls)
        return ChatPrompt(text, form, self._grammar(conversation, callable_tools, form, grammar))

    def close(self) -> None:
        """Ends the process."""
        self._process.close()

    def _rendered(self, request: RenderRequest) -> str:
        if not self.seen.placeholder:
            return self._process.render(request)
        texts = msgspec.structs.replace(request, messages=plain_texts(request.messages))
        try:
            return self._process.render(request)
        except InvalidInputError:
            return self._process.render(texts)

    def _form(self, text: str, tools: Sequence[Mapping[str, Any]], *, parallel: bool) -> ChatFormat:
        marks = self.reasoning
        ending = text.rstrip()
        has_thought = marks is not None and ending.endswith(marks[1])
        form = ChatFormat(
            tools=self.tools if tools else None,
            tool_names=frozenset(str(tool["function"]["name"]) for tool in tools),
            reasoning=None if has_thought else marks,
            begins_reasoning=marks is not None and ending.endswith(marks[0]),
            max_calls=0 if parallel else 1,
            parameters={tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in tools},
        )
        written = _written(form)
        mark_ids = {text: token_id for text, token_id in self._special_ids.items() if text and text in written}
        if not mark_ids:
            return form
        hidden = tuple(text for text in self._special_ids if text not in mark_ids)
        return replace(form, mark_ids=mark_ids, hidden=hidden)

    def _grammar(
        self,
        conversation: wire.Conversation,
        tools: Sequence[Mapping[str, Any]],
        form: ChatFormat,
        grammar: Grammar | None,
    ) -> Grammar | None:
        must_call = bool(tools) and conversation.tool_choice not in ("", "auto")
        strict = any(tool["function"].get("strict") for tool in tools)
        if grammar is not None and (must_call or strict):
            raise InvalidInputError.at(
                "grammar",
                "{field} and {tools} exclude each other where tools must be called or are strict",
                tools=Field("tools"),
            )
        if must_call:
            return calls_grammar(tools, form, parallel=conversation.parallel_tool_calls)
        if strict:
            return strict_grammar(tools, form, parallel=conversation.parallel_tool_calls)
        return None if grammar is None else after_reasoning(grammar, form)


def chat_template(
    setup: Setup, special_ids: Mapping[str, int], *, seconds: float, characters: int
) -> ChatTemplate | None:
    """The template of a model's files, its process started; None where there is none, or none that can be parsed."""
    if not setup.templates:
        return None
    process = RenderProcess(setup)
    facts = process.start(_FACTOR_TO_READ * seconds)
    if facts is None:
        return None
    return ChatTemplate(facts, process, special_ids, seconds=seconds, characters=characters)


def _callable(tools: Sequence[Mapping[str, Any]], choice: str) -> list[Mapping[str, Any]]:
    """The tools that an answer may call.

    Raises:
        InvalidInputError: a tool has no name, or the one that must be called is not there.
    """
    for index, tool in enumerate(tools):
        function = tool.get("function")
        if not (isinstance(function, Mapping) and isinstance(function.get("name"), str) and function["name"]):
            raise InvalidInputError.at(f"tools[{index}].function.name", "{field} is missing")
    if not choice.startswith(_NAMED):
        return list(tools)
    named = [tool for tool in tools if tool["function"]["name"] == choice.removeprefix(_NAMED)]
    if not named:
        raise InvalidInputError.at("tool_choice", "{field} names a tool that is not there")
    return named


def _written(form: ChatFormat) -> str:
    """All texts in which there may be special tokens that mean something in answers."""
    return "\n".join([*(form.reasoning or ()), "" if form.tools is None else form.tools.text])
