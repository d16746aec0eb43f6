"""How commands talk to people and, with `--json`, to programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from rich.console import Console
from rich.text import Text

from panope_registry.store.sizes import size_text

WIDE = 10_000
"""Columns of what is no terminal: a line is a line there, for whatever reads it."""


def _console(*, stderr: bool = False) -> Console:
    """One that prints text as it stands: names, paths and messages may hold what rich takes for markup."""
    made = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not made.is_terminal:
        made.width = WIDE
    return made


console = _console()
_errors = _console(stderr=True)


def print_json(value: Any) -> None:
    """Prints a value as indented JSON, floats of NumPy arrays included."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
    sys.stdout.buffer.write(orjson.dumps(value, option=options, default=str))
    sys.stdout.buffer.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """Prints rows under headings; `empty` when there is none."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    count = 0
    for row in rows:
        table.add_row(*row)
        count += 1
    console.print(table if count else empty)


def fail(message: str, code: int = 1) -> NoReturn:
    """Ends the command with a sentence on standard error."""
    _errors.print(Text.assemble(("panope:", "bold red"), " ", message), soft_wrap=True)
    raise SystemExit(code)


bytes_text = size_text
"""A size for people, such as `90.9 MB`."""


def note(message: str) -> None:
    """A sentence on standard error, beside the answer."""
    _errors.print(Text(f"panope: {message}"), soft_wrap=True)
