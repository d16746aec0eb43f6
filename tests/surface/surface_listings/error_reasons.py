"""The stable reasons of errors: `default_reason` of each class, and every literal that an error is raised with."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("backends/panope_backends", "registry/panope_registry", "server/panope_server")


def listing() -> str:
    """Every reason by its name, with the classes of errors that bear it."""
    classes: dict[str, set[str]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for reason, name in _reasons(ast.parse(path.read_text())):
                classes.setdefault(reason, set()).add(name)
    return "\n".join(f"{reason}: {', '.join(sorted(names))}" for reason, names in sorted(classes.items())) + "\n"


def _reasons(module: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == "default_reason":
                    yield from ((text, node.name) for text in _texts(statement.value))
                if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "default_reason":
                    yield from ((text, node.name) for text in _texts(statement.value))
        elif isinstance(node, ast.Call) and (name := _error(node.func)):
            for keyword in node.keywords:
                if keyword.arg == "reason":
                    yield from ((text, name) for text in _texts(keyword.value))


def _error(called: ast.expr) -> str:
    """The class whose constructor, or whose `at`, is called; empty for other calls."""
    name = ast.unparse(called).removesuffix(".at").rpartition(".")[2]
    return name if name.endswith("Error") else ""


def _texts(expression: ast.expr | None) -> Iterator[str]:
    """The literal texts that an expression may be."""
    match expression:
        case ast.Constant(value=str(text)) if text:
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from _texts(body)
            yield from _texts(orelse)
