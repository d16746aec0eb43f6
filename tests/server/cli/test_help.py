"""What `--help` says: sentences for people, and one way to write the name of a model."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from typer.main import get_command

from panope_registry.models.quantization import TARGETS
from panope_server.cli.main import app
from panope_server.cli.options import NAME_FORM
from panope_server.config import settings_of


def commands(command=None, words: tuple[str, ...] = ("panope",)) -> Iterator[tuple[str, object]]:
    """Every command by the words that call it."""
    command = get_command(app) if command is None else command
    yield " ".join(words), command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*words, name))


def names_of(command) -> set[str]:
    return {parameter.name for parameter in command.params}


def texts_of(command) -> list[str]:
    return [command.help or "", *(parameter.help or "" for parameter in command.params if hasattr(parameter, "help"))]


COMMANDS = dict(commands())


@pytest.mark.parametrize("words", COMMANDS)
def test_every_help_text_is_a_sentence_without_the_codes_own_names(words: str) -> None:
    settings = {setting.dotted for setting in settings_of()} | {"panope.toml"}
    for text in texts_of(COMMANDS[words]):
        assert not re.search(r"\b(\w+) \1\b", text), text
        assert set(re.findall(r"\b[a-z_]+\.[a-z_]+\b", text)) <= settings | {"_.py"}, text
        assert text == "" or text.rstrip("`")[-1] in ".?", text


#: Where `--model` narrows down what is told of many.
FILTERS = {"panope usage", "panope log"}


@pytest.mark.parametrize("words", [words for words, each in COMMANDS.items() if "model" in names_of(each)])
def test_a_model_is_named_alike_by_every_command(words: str) -> None:
    (model,) = [parameter for parameter in COMMANDS[words].params if parameter.name == "model"]
    assert model.help == ("Only of this model." if words in FILTERS else f"The model, as {NAME_FORM}.")


def test_build_lists_the_precisions_that_weights_are_quantized_to() -> None:
    (precision,) = [parameter for parameter in COMMANDS["panope build"].params if parameter.name == "precision"]
    assert [name for name in TARGETS if name not in precision.help] == []


#: What takes longer to import than all commands together, and is of no use to `--help`.
HEAVY = {
    "asyncio",
    "grpc",
    "msgspec",
    "numpy",
    "panope_backends.api",
    "panope_server.config",
    "rich.markdown",
    "sqlalchemy",
}


def test_help_imports_nothing_that_only_commands_need() -> None:
    program = (
        "import sys\n"
        "from panope_server.cli.main import app\n"
        "try: app(['--help'])\n"
        "finally: print('imported', *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = set(done.stderr.rpartition("imported")[2].split())
    assert "serve" in done.stdout
    assert "typer" in imported
    assert imported & HEAVY == set()


def test_a_list_of_commands_has_their_whole_sentences() -> None:
    program = [sys.executable, "-m", "panope_server", "alias", "--help"]
    said = " ".join(subprocess.run(program, capture_output=True, text=True, check=True).stdout.split())
    assert "Point an alias to a model, to one variant of it, or to several among which its calls are split." in said
    assert " list " not in said, "a hidden command"
