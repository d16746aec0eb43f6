"""Grammars of answers that must call tools, in the syntax of Lark that llguidance reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from panope_backends.api import Grammar, GrammarKind
from panope_backends.tasks.generate.chat.argument_grammars import (
    python_arguments,
    require_expressible,
    tagged_arguments,
)
from panope_backends.tasks.generate.chat.chat_text import ChatFormat
from panope_backends.tasks.generate.chat.lark import Writer, json_of, literal

#: The schema of a tool that says nothing of its arguments.
_ANY_OBJECT = {"type": "object"}


def calls_grammar(tools: Sequence[Mapping[str, Any]], form: ChatFormat, *, parallel: bool) -> Grammar:
    """An answer of one call of one of the tools, or of several.

    Args:
        tools: that may be called, at least one.
        form: how the model writes calls, and what it thinks before.
        parallel: whether it may call several.

    Raises:
        InvalidInputError: a strict tool that cannot be held to its schema; `tools`.
    """
    return _grammar([f"start: {_thought(form)}calls", *_rules(tools, form, parallel=parallel)], form)


def strict_grammar(tools: Sequence[Mapping[str, Any]], form: ChatFormat, *, parallel: bool) -> Grammar:
    """An answer that is text without calls, or text and then calls of the tools; as `calls_grammar`."""
    assert form.tools is not None
    begins = "|".join(map(re.escape, form.tools.begins))
    if begins:
        text = f"TEXT: /(?s:.*)/ & ~/(?s:.*)({begins})(?s:.*)/"
        start = f"start: {_thought(form)}(TEXT | TEXT calls)"
    else:
        text = f"TEXT: /([^\\{form.tools.bare}\\s](?s:.*))?/"
        start = f"start: {_thought(form)}(TEXT | calls)"
    return _grammar([start, text, *_rules(tools, form, parallel=parallel)], form)


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
    return _grammar([f"start: {_thought(form)}content", f"content: {json_of(schema)}"], form)


def _grammar(rules: Sequence[str], form: ChatFormat) -> Grammar:
    return Grammar(GrammarKind.LARK, "\n".join([*rules, *_thought_rules(form)]))


def _rules(tools: Sequence[Mapping[str, Any]], form: ChatFormat, *, parallel: bool) -> list[str]:
    assert form.tools is not None
    writer = Writer(form.mark_ids)
    before, after = map(writer.text, form.tools.each)
    joined = writer.text(form.tools.joined)
    more = f" ({joined} call)*" if parallel else ""
    opening, closing = map(writer.text, form.tools.whole)
    names = [f"call_{index}" for index in range(len(tools))]
    rules = [f"calls: {opening} call{more} {closing}", f"call: {before} ({' | '.join(names)}) {after}"]
    for name, tool in zip(names, tools, strict=True):
        rules += _call_rules(name, tool["function"], form, writer)
    return rules


def _call_rules(rule: str, function: Mapping[str, Any], form: ChatFormat, writer: Writer) -> list[str]:
    """Rules of one tool's calls; the first is `rule`."""
    assert form.tools is not None
    tools, name, schema = form.tools, str(function["name"]), function.get("parameters") or _ANY_OBJECT
    if function.get("strict") and (tools.tags is not None or tools.is_python):
        require_expressible(schema, texts=tools.tags is not None)
    arguments = f"{rule}_arguments"
    if tools.tags is not None:
        head, tail = writer.text(f"{tools.tags.head[0]}{name}{tools.tags.head[1]}"), writer.text(tools.tags.tail)
        return [f"{rule}: {head} {arguments} {tail}", *tagged_arguments(arguments, schema, tools.tags, writer)]
    if tools.is_python:
        return [f'{rule}: {literal(f"{name}(")} {arguments} ")"', *python_arguments(arguments, schema)]
    if tools.named is not None:
        head, tail = f"{tools.named.before}{name}{tools.named.between}", tools.named.after
    else:
        head, tail = f'{{"name": {json.dumps(name)}, "{tools.arguments_key}": ', "}"
    return [f"{rule}: {writer.text(head)} {arguments} {writer.text(tail)}", f"{arguments}: {json_of(schema)}"]


def _thought(form: ChatFormat) -> str:
    if form.reasoning is None:
        return ""
    return "thought SPACE " if form.begins_reasoning else "opened? "


def _thought_rules(form: ChatFormat) -> list[str]:
    if form.reasoning is None:
        return []
    begin, end = form.reasoning
    writer = Writer(form.mark_ids)
    if writer.is_token(end):
        thought = f"thought: /(?s:.*)/ {writer.text(end)}"
    else:
        thought = f"thought[suffix={literal(end)}]: /(?s:.*)/"
    rules = [thought, "SPACE: /\\s*/"]
    return rules if form.begins_reasoning else [*rules, f"opened: {writer.text(begin)} thought SPACE"]
