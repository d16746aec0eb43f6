"""docs/generation.md: what it shows is answered."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

TEXT = (Path(__file__).resolve().parents[5] / "docs/generation.md").read_text()
#: What is said of summarization and translation names models; tests of those routes call them.
PAGE, _, _ = TEXT.partition("## Summarization and translation")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


CURLS = [shlex.split(block.replace("\\\n", " ")) for block in blocks("sh")]
PROGRAMS = blocks("python")


def test_the_page_has_something_to_try():
    assert len(CURLS) >= 7
    assert len(PROGRAMS) == 2


@pytest.mark.parametrize("command", CURLS, ids=lambda command: command[1 if command[1] != "-N" else 2])
def test_every_call_of_curl_is_answered(edge, command):
    url = next(word for word in command if word.startswith("localhost:8000"))
    body = command[command.index("-d") + 1].encode()
    reply = edge.request("POST", url.removeprefix("localhost:8000"), body)
    assert reply.status == 200, reply.body
    streams = "-N" in command
    assert reply.headers["content-type"].startswith("text/event-stream" if streams else "application/json")


@pytest.mark.parametrize("program", PROGRAMS, ids=["openai", "huggingface_hub"])
def test_every_program_runs(edge, program, capsys):
    exec(program.replace("http://localhost:8000", edge.url), {})
    assert "Hello wörld" in capsys.readouterr().out
