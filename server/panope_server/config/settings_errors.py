"""What is said of a setting that is unknown or wrong: its name, its source, its value, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from panope_server.config.renamed import RENAMED
from panope_server.config.settings import Setting, kinds_of, variable_of
from panope_server.config.value_words import words

MAX_SHOWN = 200


class SettingsError(Exception):
    """A setting is unknown or wrong; the message names it, its source and what would be right."""


def unknown_setting(source: str, dotted: str, known: Iterable[str]) -> SettingsError:
    """The error of a key that no setting has.

    Args:
        source: where the key is written, such as a file's path or `--set`.
        dotted: the key.
        known: the dotted keys of all settings.
    """
    if dotted in RENAMED:
        return SettingsError(f"{source}: setting `{dotted}` was renamed to `{RENAMED[dotted]}`")
    return SettingsError(f"{source}: unknown setting `{dotted}`{_nearest(dotted, known)}")


def unknown_variable(variable: str, known: Iterable[str]) -> SettingsError:
    """The error of a variable that no setting has.

    Args:
        variable: its name.
        known: the variables of all settings.
    """
    renamed = {variable_of(old.split(".")): variable_of(new.split(".")) for old, new in RENAMED.items()}
    if variable in renamed:
        return SettingsError(f"variable `{variable}` was renamed to `{renamed[variable]}`")
    return SettingsError(f"unknown variable `{variable}`{_nearest(variable, known)}")


def wrong_value(source: str, setting: Setting, value: Any) -> SettingsError:
    """The error of a value that a setting does not take.

    Args:
        source: where the value is written, with the setting's name.
        setting: that does not take it.
        value: as it is written.
    """
    return SettingsError(f"{source} is `{_shown(value)}`; allowed: {words(dict(kinds_of())[setting.dotted])}")


def _shown(value: Any) -> str:
    """A value as a variable would hold it, cut when it is long."""
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    if isinstance(value, bool):
        text = text.lower()
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""
