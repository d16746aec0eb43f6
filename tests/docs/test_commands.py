"""Every command line of the documents is one that Panope takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer.main

from panope_server.cli.main import app

ROOT = Path(__file__).resolve().parents[2]

#: Readers have images, audio and texts of these names.
FILES = (".png", ".wav", ".mp4", ".txt", ".pdf")


def command_lines(document: Any) -> Iterator[list[str]]:
    """The commands in a document's shell blocks, without comments, variables in front and where the output goes."""
    for block in document.fences("sh", "bash", "shell", "console"):
        for line in block.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="();|&")
            lexer.whitespace_split = True  # `acme/tiny:sql` is one word
            words = list(lexer)
            command: list[str] = []
            words = [word for before, word in pairwise(["", *words]) if ">" not in (before, word)]
            for word in [*words, ";"]:
                if re.fullmatch(r"[();|&]+", word):
                    if command:
                        yield command
                    command = []
                elif command or not re.match(r"\w+=", word):
                    command.append(word)


@cache
def commands() -> dict[str, Any]:
    """By name; made once, since that takes far longer than parsing a line."""
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def parse(arguments: list[str]) -> None:
    """Parses a `panope` command as the program does, without running it."""
    name, *rest = arguments
    assert name in commands(), f"`panope {name}` is no command"
    commands()[name].make_context(name, rest)


def test_every_panope_command_parses(document: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in command_lines(document):
        if Path(command[0]).name == "panope":
            for folder in (word for word in command if word.startswith("./")):
                Path(folder).mkdir(exist_ok=True)  # the reader has it
            for file in (word for word in command if word.endswith(FILES)):
                Path(file).touch()
            parse(command[1:])


def test_every_curl_that_posts_says_what_it_sends(document: Any) -> None:
    for command in command_lines(document):
        if command[0] == "curl":
            assert says_what_it_sends(command), " ".join(command)


def says_what_it_sends(curl: list[str]) -> bool:
    """Whether it sends nothing by a method that needs no body, or names its type; curl names that of forms itself."""
    posts = any(before in ("-X", "--request") and word == "POST" for before, word in pairwise(curl))
    sends = posts or any(word in ("-d", "--data", "--data-binary") for word in curl)
    return not sends or "-F" in curl or any(word.lower().startswith("content-type:") for word in curl)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("curl -X POST localhost:8000/v1/jobs/7/cancel", False),
        ("curl localhost:8000/v1/embeddings -d {}", False),
        ("curl localhost:8000/v1/embeddings -H 'content-type: application/json' -d {}", True),
        ("curl localhost:8000/v1/images/edits -F prompt=fox", True),
        ("curl -X DELETE localhost:8000/v1/jobs/7/files", True),
    ],
)
def test_a_curl_that_would_be_refused_for_its_type_is_seen(line: str, says: bool) -> None:
    assert says_what_it_sends(shlex.split(line)) is says


def test_every_make_target_exists(document: Any) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    for command in command_lines(document):
        if command[0] == "make":
            assert {word for word in command[1:] if "=" not in word} <= targets


def test_the_readme_has_commands_to_check(document: Any) -> None:
    if document.name == "README.md":
        programs = {Path(command[0]).name for command in command_lines(document)}
        assert {"panope", "make", "curl", "grpcurl", "go"} <= programs


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("serve --htp-port 1", "No such option"),
        ("serve --http-port x", "valid integer"),
        ("load", "Missing parameter: model"),
    ],
)
def test_a_wrong_command_line_is_seen(line: str, words: str) -> None:
    with pytest.raises(Exception, match=words):
        parse(line.split())


def test_an_unknown_command_is_seen() -> None:
    with pytest.raises(AssertionError, match="`panope sevre` is no command"):
        parse(["sevre"])


def test_command_lines_are_found_in_what_people_write(document: Any) -> None:
    shell = "# a comment\nX=1 panope ls \\\n  --json | cat   # why\n(cd a && panope ps 'b c')\n"
    text = f"```sh\n{shell}```\n```python\npanope no\n```\n"

    found = list(command_lines(type(document)(Path("page.md"), text)))

    assert found == [["panope", "ls", "--json"], ["cat"], ["cd", "a"], ["panope", "ps", "b c"]]
