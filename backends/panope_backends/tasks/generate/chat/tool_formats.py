"""How models write tool calls, told by their chat templates."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ToolFormat:
    """The marks around a call's JSON object.

    Attributes:
        name: for people.
        begin: stands before a call, or a list of them; empty where an answer that is a JSON object is a call.
        end: stands behind each call; empty for nothing.
        between: characters before calls and between them that mean nothing.
        arguments_key: what the arguments are called.
        has_short_ids: whether the model's template takes ids of nine letters and digits alone.
    """

    name: str
    begin: str
    end: str = ""
    between: str = " \n\t\r"
    arguments_key: str = "arguments"
    has_short_ids: bool = False


HERMES = ToolFormat("hermes", "<tool_call>", "</tool_call>")
MISTRAL = ToolFormat("mistral", "[TOOL_CALLS]", between="[], \n\t\r", has_short_ids=True)
LLAMA = ToolFormat("llama", "", between=";, \n\t\r", arguments_key="parameters")
JSON = ToolFormat("json", "", between=";, \n\t\r")


def tool_format(template: str) -> ToolFormat:
    """The format that a chat template asks its model for: by the marks in its text."""
    if MISTRAL.begin in template:
        return MISTRAL
    if HERMES.begin in template:
        return HERMES
    if '"parameters"' in template and "ipython" in template:
        return LLAMA
    return JSON


#: Marks around what models think, the opening ones first.
REASONING_MARKS = (("<think>", "</think>"), ("[THINK]", "[/THINK]"), ("<thinking>", "</thinking>"))


def reasoning_marks(template: str) -> tuple[str, str] | None:
    """The marks of a template whose model thinks before it answers; None for others."""
    return next((marks for marks in REASONING_MARKS if marks[0] in template or marks[1] in template), None)
