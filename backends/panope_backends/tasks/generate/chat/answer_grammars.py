"""Grammars of whole answers to conversations: what is thought, and the calls, text or JSON behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from panope_backends.api import Grammar, GrammarKind
from panope_backends.tasks.generate.chat.chat_text import ChatFormat
from panope_backends.tasks.generate.chat.tools.call_grammars import ANY_OBJECT, calls_rules
from panope_backends.tasks.generate.chat.tools.lark import Writer, json_of, literal


def calls_grammar(tools: Sequence[Mapping[str, Any]], form: ChatFormat, *, parallel: bool) -> Grammar:
    """An answer of one call of one of the tools, or of several.

    Args:
        tools: that may be called, at least one.
        form: how the model writes calls, and what it thinks before.
        parallel: whether it may call several.

    Raises:
        InvalidInputError: a strict tool that cannot be held to its schema; `tools`.
    """
    assert form.tools is not None
    rules = calls_rules(tools, form.tools, form.mark_ids, parallel=parallel)
    return _grammar([f"start: {_thought(form)}calls", *rules], form)


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
    rules = calls_rules(tools, form.tools, form.mark_ids, parallel=parallel)
    return _grammar([start, text, *rules], form)


def after_reasoning(grammar: Grammar, form: ChatFormat) -> Grammar:
    """A grammar of JSON that holds for what follows the model's thoughts; others, and without thoughts, as it is."""
    if form.reasoning is None or grammar.kind not in (GrammarKind.JSON_OBJECT, GrammarKind.JSON_SCHEMA):
        return grammar
    try:
        schema = json.loads(grammar.source) if grammar.kind is GrammarKind.JSON_SCHEMA else ANY_OBJECT
    except (ValueError, RecursionError):
        return grammar  # which is refused for it
    if not isinstance(schema, dict):
        return grammar
    return _grammar([f"start: {_thought(form)}content", f"content: {json_of(schema)}"], form)


def _grammar(rules: Sequence[str], form: ChatFormat) -> Grammar:
    return Grammar(GrammarKind.LARK, "\n".join([*rules, *_thought_rules(form)]))


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
