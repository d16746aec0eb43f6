"""Answers to conversations in their parts, however their text is cut into pieces."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.tasks.generate.answer_text import TextPiece
from panope_backends.tasks.generate.chat.chat_text import ChatFormat, ChatText
from panope_backends.tasks.generate.chat.tools.formats import HERMES, JSON, LLAMA, MISTRAL

NAMES = frozenset({"get_weather", "add"})
THINK = ("<think>", "</think>")
ROME = '{"name": "get_weather", "arguments": {"city": "Rome", "note": "a \\"}\\" b"}}'
SUM = '{"arguments": {"a": [1, {"b": 2}]}, "name": "add"}'


def parted(form: ChatFormat, pieces: Sequence[str]) -> tuple[str, str, list[tuple[str, str]]]:
    """Content, reasoning, and the calls with their arguments."""
    text = ChatText(form)
    told: list[TextPiece] = []
    for piece in pieces:
        told += text.push(piece)
    told += text.finish()
    calls: dict[int, list[str]] = {}
    for call in (call for piece in told for call in piece.calls):
        if call.name:
            assert call.id
            calls[call.index] = [call.name, ""]
        calls[call.index][1] += call.arguments
    assert text.has_calls == bool(calls)
    made = [(name, arguments) for name, arguments in calls.values()]
    return "".join(piece.content for piece in told), "".join(piece.reasoning for piece in told), made


def arguments(call: str) -> str:
    return json.dumps(json.loads(call)["arguments"])


CASES = [
    (ChatFormat(), "plain <tool_call> text", ("plain <tool_call> text", "", [])),
    (
        ChatFormat(HERMES, NAMES),
        f"Let me see.\n<tool_call>\n{ROME}\n</tool_call>\n<tool_call>\n{SUM}\n</tool_call>",
        ("Let me see.\n", "", [("get_weather", arguments(ROME)), ("add", arguments(SUM))]),
    ),
    (
        ChatFormat(MISTRAL, NAMES),
        f"[TOOL_CALLS][{ROME}, {SUM}]",
        ("", "", [("get_weather", arguments(ROME)), ("add", arguments(SUM))]),
    ),
    (
        ChatFormat(LLAMA, NAMES),
        '{"name": "add", "parameters": {"a": 1}}; {"name": "add", "parameters": {}}',
        ("", "", [("add", '{"a": 1}'), ("add", "{}")]),
    ),
    (ChatFormat(JSON, NAMES), "The sum is {4}.", ("The sum is {4}.", "", [])),
    (ChatFormat(JSON, NAMES), '{"answer": 4} and more', ('{"answer": 4} and more', "", [])),
    (ChatFormat(JSON, NAMES), '{"name": "unknown", "arguments": {}}', ('{"name": "unknown", "arguments": {}}', "", [])),
    (
        ChatFormat(HERMES, NAMES, THINK),
        f"<think>\nhm <b>\n</think>\n\nSo:\n<tool_call>\n{SUM}\n</tool_call>",
        ("So:\n", "hm <b>\n", [("add", arguments(SUM))]),
    ),
    (ChatFormat(reasoning=THINK, begins_reasoning=True), "hm</think>\n\nYes.", ("Yes.", "hm", [])),
    (ChatFormat(reasoning=THINK), "Yes, and <think> is a tag.", ("Yes, and <think> is a tag.", "", [])),
    (ChatFormat(reasoning=THINK), "<think>never closed", ("", "never closed", [])),
    (ChatFormat(HERMES, NAMES), "a <tool_call> b", ("a <tool_call> b", "", [])),
    (ChatFormat(HERMES, NAMES), '<tool_call>\n{"name": "ad', ('<tool_call>\n{"name": "ad', "", [])),
    (ChatFormat(HERMES, NAMES), f"<tool_call>\n{ROME[:49]}", ("", "", [("get_weather", '{"city": "Ro')])),
    (
        ChatFormat(HERMES, NAMES, max_calls=1),
        f"<tool_call>{ROME}</tool_call><tool_call>{SUM}</tool_call>",
        ("", "", [("get_weather", arguments(ROME))]),
    ),
    (ChatFormat(HERMES, NAMES, hidden=("<unk>",)), "a<unk>b", ("ab", "", [])),
]


@pytest.mark.parametrize(("form", "text", "expected"), CASES, ids=[text[:24] for _, text, _ in CASES])
def test_an_answer_is_parted_the_same_in_one_piece_and_in_single_characters(
    form: ChatFormat, text: str, expected: tuple[str, str, list[tuple[str, str]]]
) -> None:
    assert parted(form, [text]) == expected
    pieces = ["a", "<unk>", "b"] if form.hidden else list(text)
    assert parted(form, pieces) == expected


@given(st.sampled_from(CASES), st.data())
def test_how_an_answer_is_cut_changes_nothing(
    case: tuple[ChatFormat, str, tuple[str, str, list[tuple[str, str]]]], data: st.DataObject
) -> None:
    form, text, expected = case
    if form.hidden:
        return
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert parted(form, pieces) == expected


@given(st.sampled_from([HERMES, MISTRAL, LLAMA, JSON]), st.text(alphabet='{}[]",:\\ \nabn<>/_tol', max_size=60))
def test_no_text_is_lost_or_ends_the_parting(form: object, text: str) -> None:
    assert isinstance(form, type(HERMES))
    content, _, calls = parted(ChatFormat(form, NAMES), list(text))
    if not calls:
        assert content.split() == text.split() or form.begin in text


def test_arguments_come_as_they_are_written() -> None:
    text = ChatText(ChatFormat(HERMES, NAMES))
    told = [
        piece
        for cut in ('<tool_call>{"name": "add", "argu', 'ments": {"a": ', "1}", "}</tool_call>")
        for piece in text.push(cut)
    ]
    assert [(call.name, call.arguments) for piece in told for call in piece.calls] == [
        ("add", ""),
        ("", '{"a": '),
        ("", "1}"),
    ]
