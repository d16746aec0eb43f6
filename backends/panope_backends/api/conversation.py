"""Conversations for a `TokenModel` whose engine makes prompts of them itself, as a server elsewhere does.

Where an engine honours `conversation`, Panope renders no chat template and parts no answer: messages go to it as they
are, and its deltas tell content, reasoning and tool calls apart.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages to answer, as JSON in the form of OpenAI's chats: what a server of that kind reads without a change.

    A model names in `honoured` those of the fields that it honours; `messages` and `tool_choice` have no names there.

    Attributes:
        messages: a list of objects with `role`, `content`, and where they are set `name`, `tool_calls`,
            `tool_call_id`, `reasoning`.
        tools: a list of the tools that may be called; empty for none.
        tool_choice: `auto`, `none`, `required` or `name:` and the tool's name.
        parallel_tool_calls: whether several tools may be called in one answer.
        template_kwargs: an object of values for the engine's chat template; empty for none.
        continue_final_message: whether the last message, the assistant's, is continued.
    """

    messages: bytes
    tools: bytes = b""
    tool_choice: str = "auto"
    parallel_tool_calls: bool = True
    template_kwargs: bytes = b""
    continue_final_message: bool = False


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call.

    Attributes:
        index: of the call in its answer, from 0.
        id: with the first piece.
        name: of the tool, with the first piece.
        arguments: what there is more of the arguments, as JSON text.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
