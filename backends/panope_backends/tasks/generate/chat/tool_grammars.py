"""Grammars of answers that must call tools, in the syntax of Lark that llguidance reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from panope_backends.api import Grammar, GrammarKind
from panope_backends.tasks.generate.chat.chat_text import ChatFormat
from panope_backends.tasks.generate.chat.tool_formats import HERMES, MISTRAL

#: The schema of a tool that says nothing of its arguments.
_ANY_OBJECT = {"type": "object"}

#: Blanks where templates write them and nowhere else, as in every other answer that matches a schema: with free white
#: space a weak model writes blanks until its limit.
_BLANKS = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


def calls_grammar(tools: Sequence[Mapping[str, Any]], form: ChatFormat, *, parallel: bool) -> Grammar:
    """An answer of one call of one of the tools, or of several.

    Args:
        tools: that may be called, at least one.
        form: how the model writes calls, and what it thinks before.
        parallel: whether it may call several.
    """
    return _grammar([f"start: {_thought(form)}calls", *_rules(tools, form, parallel=parallel)], form)


def strict_grammar(tools: Sequence[Mapping[str, Any]], form: ChatFormat, *, parallel: bool) -> Grammar:
    """An answer that is text without calls, or text and then calls of the tools; arguments as of `calls_grammar`."""
    assert form.tools is not None
    begin = form.tools.begin
    if begin:
        text = f"TEXT: /(?s:.*)/ & ~/(?s:.*){re.escape(begin)}(?s:.*)/"
        start = f"start: {_thought(form)}(TEXT | TEXT calls)"
    else:
        text = "TEXT: /([^{\\s](?s:.*))?/"
        start = f"start: {_thought(form)}(TEXT | calls)"
    return _grammar([start, text, *_rules(tools, form, parallel=parallel)], form)


def _grammar(rules: Sequence[str], form: ChatFormat) -> Grammar:
    return Grammar(GrammarKind.LARK, "\n".join([*rules, *_thought_rules(form)]))


def _rules(tools: Sequence[Mapping[str, Any]], form: ChatFormat, *, parallel: bool) -> list[str]:
    names = [f"call_{index}" for index in range(len(tools))]
    rules = [*_calls_rules(form, parallel=parallel), f"object: {' | '.join(names)}"]
    for name, tool in zip(names, tools, strict=True):
        rules += _call_rules(name, tool["function"], form)
    return rules


def after_reasoning(grammar: Grammar, form: ChatFormat) -> Grammar:
    """A grammar of JSON that holds for what follows the model's thoughts; others, and without thoughts, as it is."""
    if form.reasoning is None or grammar.kind not in (GrammarKind.JSON_OBJECT, GrammarKind.JSON_SCHEMA):
        return grammar
    try:
        schema = json.loads(grammar.source) if grammar.kind is GrammarKind.JSON_SCHEMA else _ANY_OBJECT
    except (ValueError, RecursionError):
        return grammar  # which is refused for it
    if not isinstance(schema, dict):
        return grammar
    return _grammar([f"start: {_thought(form)}content", f"content: {_json(schema)}"], form)


def _calls_rules(form: ChatFormat, *, parallel: bool) -> list[str]:
    tools = form.tools
    assert tools is not None
    if tools is MISTRAL:
        more = ' (", " object)*' if parallel else ""
        return [f'calls: {_mark(tools.begin, form)} "[" object{more} "]"']
    if tools is HERMES:
        more = ' ("\\n" call)*' if parallel else ""
        begin, end = _mark(tools.begin, form), _mark(tools.end, form)
        return [f"calls: call{more}", f'call: {begin} "\\n" object "\\n" {end}']
    more = ' ("; " object)*' if parallel else ""
    return [f"calls: object{more}"]


def _call_rules(name: str, function: Mapping[str, Any], form: ChatFormat) -> list[str]:
    assert form.tools is not None
    head = f'{{"name": {json.dumps(function["name"])}, "{form.tools.arguments_key}": '
    schema = function.get("parameters") or _ANY_OBJECT
    return [f'{name}: {_literal(head)} {name}_arguments "}}"', f"{name}_arguments: {_json(schema)}"]


def _json(schema: Mapping[str, Any]) -> str:
    return f"%json {json.dumps({**schema, 'x-guidance': _BLANKS})}"


def _thought(form: ChatFormat) -> str:
    if form.reasoning is None:
        return ""
    return "thought SPACE " if form.begins_reasoning else "opened? "


def _thought_rules(form: ChatFormat) -> list[str]:
    if form.reasoning is None:
        return []
    begin, end = form.reasoning
    if end in form.mark_ids:
        thought = f"thought: /(?s:.*)/ {_mark(end, form)}"
    else:
        thought = f"thought[suffix={_literal(end)}]: /(?s:.*)/"
    rules = [thought, "SPACE: /\\s*/"]
    return rules if form.begins_reasoning else [*rules, f"opened: {_mark(begin, form)} thought SPACE"]


def _mark(text: str, form: ChatFormat) -> str:
    """A mark as a token where it is one, else as a text."""
    token_id = form.mark_ids.get(text)
    return _literal(text) if token_id is None else f"<[{token_id}]>"


def _literal(text: str) -> str:
    return json.dumps(text)
