"""Reads the settings from their sources: a file, then variables, then the command line."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin

import msgspec

from panope_server.config.settings import PREFIX, Setting, Settings, settings_of

#: Variables of that prefix which are no settings: where clients and their tests find a server, what tests need,
#: and the hub's token, which is to be in no file.
OTHER_VARIABLES = ("PANOPE_ADDRESS", "PANOPE_MODEL", "PANOPE_HUB_TOKEN")
TEST_PREFIX = "PANOPE_TEST_"


class SettingsError(Exception):
    """A setting is unknown or wrong; the message names it, its source and what would be right."""


def load_settings(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    assignments: Sequence[str] = (),
) -> Settings:
    """Reads the settings from their sources.

    Args:
        file: the TOML file; None looks for `panope.toml` in the working folder and does without.
        environment: where variables are read; None for the process's own.
        flags: dotted keys to values, of the command line's flags with names of their own; None values are left out.
        assignments: `KEY=VALUE` of the command line's `--set`; a value is written as in a variable.

    Raises:
        SettingsError: an unknown key, a wrong value, or a setting that the command line gives twice.
    """
    environment = os.environ if environment is None else environment
    merged: dict[str, Any] = {}
    _merge(merged, _from_file(file))
    _merge(merged, _from_environment(environment))
    given = {dotted: value for dotted, value in (flags or {}).items() if value is not None}
    _merge(merged, _from_assignments(assignments, given))
    for dotted, value in given.items():
        _put(merged, tuple(dotted.split(".")), value)
    try:
        return msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"setting is wrong: {error}") from None


def _from_file(file: Path | None) -> dict[str, Any]:
    path = file or Path("panope.toml")
    if file is None and not path.is_file():
        return {}
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: it is not a text in UTF-8") from None
    known = {setting.dotted for setting in settings_of()}
    for dotted in _dotted_keys(content):
        if dotted not in known:
            raise SettingsError(f"{path}: unknown setting `{dotted}`{_nearest(dotted, known)}")
    return content


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    known = {setting.variable: setting for setting in settings_of()}
    found: dict[str, Any] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable.startswith(TEST_PREFIX) or variable in OTHER_VARIABLES:
            continue
        setting = known.get(variable)
        if setting is None:
            raise SettingsError(f"unknown variable `{variable}`{_nearest(variable, known)}")
        _put(found, setting.key, _value_of(setting, text))
    return found


def _from_assignments(assignments: Sequence[str], flags: Mapping[str, Any]) -> dict[str, Any]:
    known = {setting.dotted: setting for setting in settings_of()}
    found: dict[str, Any] = {}
    met: set[str] = set()
    for assignment in assignments:
        dotted, equals, text = assignment.partition("=")
        if not equals:
            raise SettingsError(f"--set {assignment}: write it as KEY=VALUE")
        setting = known.get(dotted)
        if setting is None:
            raise SettingsError(f"--set: unknown setting `{dotted}`{_nearest(dotted, known)}")
        if dotted in met:
            raise SettingsError(f"setting `{dotted}` is given twice by --set; give it once")
        if dotted in flags:
            raise SettingsError(f"setting `{dotted}` is given by --set and by a flag of its own; give it once")
        met.add(dotted)
        _put(found, setting.key, _value_of(setting, text))
    return found


def _value_of(setting: Setting, text: str) -> Any:
    """A text as msgspec takes it: lists are written with commas."""
    return [part for part in text.split(",") if part] if get_origin(setting.type) is tuple else text


def _dotted_keys(content: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _dotted_keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _nearest(name: str, known: Mapping[str, Any] | set[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


def _put(tree: dict[str, Any], key: tuple[str, ...], value: Any) -> None:
    for part in key[:-1]:
        tree = tree.setdefault(part, {})
    tree[key[-1]] = value


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping):
            _merge(into.setdefault(key, {}), value)
        else:
            into[key] = value
