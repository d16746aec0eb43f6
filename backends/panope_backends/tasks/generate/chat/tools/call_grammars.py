"""Rules of grammars for tool calls, in every format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from panope_backends.tasks.generate.chat.tools.argument_grammars import (
    python_arguments,
    require_expressible,
    tagged_arguments,
)
from panope_backends.tasks.generate.chat.tools.formats import ToolFormat
from panope_backends.tasks.generate.chat.tools.lark import Writer, json_of, literal

ANY_OBJECT = {"type": "object"}
"""The schema of a tool that says nothing of its arguments."""


def calls_rules(
    tools: Sequence[Mapping[str, Any]], form: ToolFormat, mark_ids: Mapping[str, int], *, parallel: bool
) -> list[str]:
    """Rules of one call of one of the tools, or of several; the first is `calls`.

    Args:
        tools: that may be called, at least one.
        form: how calls are written.
        mark_ids: the ids of those marks that are special tokens.
        parallel: whether several may be called.

    Raises:
        InvalidInputError: a strict tool that cannot be held to its schema; `tools`.
    """
    writer = Writer(mark_ids)
    before, after = map(writer.text, form.each)
    joined = writer.text(form.joined)
    more = f" ({joined} call)*" if parallel else ""
    opening, closing = map(writer.text, form.whole)
    names = [f"call_{index}" for index in range(len(tools))]
    rules = [f"calls: {opening} call{more} {closing}", f"call: {before} ({' | '.join(names)}) {after}"]
    for name, tool in zip(names, tools, strict=True):
        rules += _call_rules(name, tool["function"], form, writer)
    return rules


def _call_rules(rule: str, function: Mapping[str, Any], form: ToolFormat, writer: Writer) -> list[str]:
    """Rules of one tool's calls; the first is `rule`."""
    name, schema = str(function["name"]), function.get("parameters") or ANY_OBJECT
    if function.get("strict") and (form.tags is not None or form.is_python):
        require_expressible(schema, texts=form.tags is not None)
    arguments = f"{rule}_arguments"
    if form.tags is not None:
        head, tail = writer.text(f"{form.tags.head[0]}{name}{form.tags.head[1]}"), writer.text(form.tags.tail)
        return [f"{rule}: {head} {arguments} {tail}", *tagged_arguments(arguments, schema, form.tags, writer)]
    if form.is_python:
        return [f'{rule}: {literal(f"{name}(")} {arguments} ")"', *python_arguments(arguments, schema)]
    if form.named is not None:
        head, tail = f"{form.named.before}{name}{form.named.between}", form.named.after
    else:
        head, tail = f'{{"name": {json.dumps(name)}, "{form.arguments_key}": ', "}"
    return [f"{rule}: {writer.text(head)} {arguments} {writer.text(tail)}", f"{arguments}: {json_of(schema)}"]
