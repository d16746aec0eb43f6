"""The command line: commands with their arguments and options, and the keys of what they print as JSON."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from panope_server.cli.main import app

CLI = Path(__file__).resolve().parents[3] / "server/panope_server/cli"


def listing() -> str:
    """Every command by its name, then the keys that each module of the command line writes itself."""
    commands = ["\n".join(lines) for lines in _commands(typer.main.get_command(app), ("panope",))]
    paths = sorted(CLI.rglob("*.py"))
    keys = ["\n".join(lines) for path in paths if (lines := _keys(path))]
    return "\n\n".join([*commands, *keys]) + "\n"


def _commands(command: Any, names: tuple[str, ...]) -> Iterator[list[str]]:
    children = getattr(command, "commands", {})
    lines = [" ".join(names)]
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            lines.append(f"    {parameter.name.upper()}{'' if parameter.required else ', optional'}")
        else:
            lines.append(f"    {', '.join((*parameter.opts, *parameter.secondary_opts))}")
    if len(lines) > 1 or not children:
        yield lines
    for name, child in sorted(children.items()):
        yield from _commands(child, (*names, name))


def _keys(path: Path) -> list[str]:
    """The literal keys of dictionaries in a module."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Dict)]
    constants = [key.value for node in nodes for key in node.keys if isinstance(key, ast.Constant)]
    keys = sorted({key for key in constants if isinstance(key, str)})
    return [f"keys in {path.relative_to(CLI)}", *(f"    {key}" for key in keys)] if keys else []
