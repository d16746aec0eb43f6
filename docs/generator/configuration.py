"""docs/configuration.md, from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import cleandoc
from itertools import groupby

import typer.main
from msgspec import Struct, inspect

from generator import markdown
from generator.markdown import NOTICE, table
from panope_server.cli.main import app
from panope_server.config import Setting, Settings, settings_of
from panope_server.config.settings import kinds_of
from panope_server.config.value_words import default_words, words

INTRODUCTION = """
# Configuration

A setting has three sources, each stronger than the one before: the file `panope.toml` in the working folder (or the
one that `--config` names), a variable, a flag of `panope serve`. A key, variable or value that is unknown or out of its
limits ends the start with a sentence that names it.

```toml
http_port = 9000
load = ["sentence-transformers/all-MiniLM-L6-v2"]

[limits]
max_items = 512
```

The variable of `limits.max_items` is `PANOPE_LIMITS_MAX_ITEMS`; a list is written with commas between its items. Every
setting has a flag: `--set KEY=VALUE`, such as `--set limits.max_items=512`, with the value written as in its variable;
and one of its own where the table names it. The command line gives a setting once: both together are refused.
"""

HEAD = ("Setting", "Value", "Default", "What", "Variable", "Flag")


def page() -> str:
    """The page's text."""
    kinds = dict(kinds_of())
    flags = _flags()
    lines = [NOTICE, INTRODUCTION]
    for section, settings in groupby(settings_of(), key=lambda setting: setting.key[:-1]):
        name = ".".join(section)
        lines += [f"## `[{name}]`" if name else "## Top level", ""]
        if section:
            lines += [_section_text(section), ""]
        lines += table(HEAD, (_row(setting, kinds, flags) for setting in settings))
    return markdown.page(lines)


def _row(setting: Setting, kinds: Mapping[str, inspect.Type], flags: Mapping[str, str]) -> tuple[str, ...]:
    return (
        f"`{setting.dotted}`",
        words(kinds[setting.dotted]),
        default_words(setting.default),
        setting.description,
        f"`{setting.variable}`",
        flags.get(setting.dotted, ""),
    )


def _section_text(section: tuple[str, ...]) -> str:
    """What a section is about: its class's docstring."""
    kind: type[Struct] = Settings
    for name in section:
        kind = type(getattr(kind(), name))
    return cleandoc(kind.__doc__ or "")


def _flags() -> dict[str, str]:
    """The flags of `panope serve` by the setting that each sets."""
    command = typer.main.get_command(app)
    serve = command.commands["serve"]  # type: ignore[attr-defined]  # an app of several commands makes a group
    return {
        parameter.name: " ".join(f"`{flag}`" for flag in (*parameter.opts, *parameter.secondary_opts))
        for parameter in serve.params
    }
