"""Errors in the words of the command line: a field is the option or the argument that it came from."""

from __future__ import annotations

from typing import Any, NoReturn

from typer.core import TyperOption
from typer.main import get_current_context  # type: ignore[attr-defined]  # Typer gives it no other name

from panope_backends.errors import PanopeError
from panope_server.cli.output.console import fail
from panope_server.transport.field_names import FieldNames


def fail_with(error: PanopeError, code: int = 1) -> NoReturn:
    """Ends the command with an error's sentence."""
    parameters = get_current_context().command.params
    fail(error.renamed(FieldNames(dict(map(_names_of, parameters)))).message, code)


def _names_of(parameter: Any) -> tuple[str, str]:
    """A field, as the function of the command names it, and what a person writes."""
    field = (parameter.name or "").rstrip("_")
    return field, parameter.opts[0] if isinstance(parameter, TyperOption) else field.upper()
