"""Numbers of commands: what is none, and what has no end, is within no range."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from panope_server.cli.chat.options import ChatOptions
from panope_server.cli.main import app

BEYOND = ("nan", "inf", "-inf", "1e999")
#: What Python reads as numbers, and JSON does not.
UNCLEAR = ("1_0", "\uff11\uff12")


def options_of(kind: type, command: Any = None, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Each option of each command that takes a number of a kind, behind the words of the command."""
    command = get_command(app) if command is None else command
    yield from (
        (*words, parameter.opts[0])
        for parameter in command.params
        if parameter.type_descriptor.annotation in (kind, kind | None) and parameter.opts[0].startswith("-")
    )
    for name, below in getattr(command, "commands", {}).items():
        yield from options_of(kind, below, (*words, name))


FRACTIONS, INTEGERS = list(options_of(float)), list(options_of(int))


def test_the_options_are_found() -> None:
    assert {("speak", "--speed"), ("detect", "--threshold"), ("bench", "--seconds")} <= set(FRACTIONS)
    assert {("speak", "--seed"), ("serve", "--http-port")} <= set(INTEGERS)


@pytest.mark.parametrize("words", FRACTIONS, ids=" ".join)
@pytest.mark.parametrize("text", BEYOND)
def test_no_option_takes_what_is_no_finite_number(words: tuple[str, ...], text: str) -> None:
    told = CliRunner().invoke(app, [*words[:-1], f"{words[-1]}={text}"])
    said = " ".join(told.output.split())
    assert told.exit_code == 2
    assert said.startswith(f"panope: `{words[-1]}`"), said
    assert f"is `{text}`; allowed: a number" in said, said


@pytest.mark.parametrize("words", [*FRACTIONS, *INTEGERS], ids=" ".join)
def test_numbers_are_written_as_json_writes_them(words: tuple[str, ...]) -> None:
    for text in UNCLEAR:
        told = CliRunner().invoke(app, [*words[:-1], f"{words[-1]}={text}"])
        assert told.exit_code == 2
        assert told.output.startswith(f"panope: `{words[-1]}` is `{text}`; allowed: a"), told.output


@pytest.mark.parametrize("name", ["temperature", "top_p"])
@pytest.mark.parametrize("text", [*BEYOND, *UNCLEAR])
def test_no_option_of_a_chat_takes_it_either(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` takes a number, or `default`"):
        ChatOptions().with_text(name, text)
