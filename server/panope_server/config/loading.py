"""Reads the settings from their sources: a file, then variables, then the command line."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin

import msgspec

from panope_server.config.sections.values import NamedTwiceError
from panope_server.config.settings import PREFIX, Setting, Settings, settings_of
from panope_server.config.settings_errors import SettingsError, unknown_setting, unknown_variable, wrong_value

#: Variables of that prefix which are no settings: where clients and their tests find a server, what tests need,
#: and secrets, which are to be in no file: tokens, passwords, commands' own key, and what keys are hashed with.
OTHER_VARIABLES = (
    "PANOPE_ADDRESS",
    "PANOPE_MODEL",
    "PANOPE_HUB_TOKEN",
    "PANOPE_RESPONSE_CACHE_SECRET",
    "PANOPE_API_KEY",
    "PANOPE_PEPPER",
)
TEST_PREFIX = "PANOPE_TEST_"


@dataclass(frozen=True)
class SettingValue:
    """A value as one source writes it.

    Attributes:
        setting: that it is for.
        value: not checked yet.
        source: where it is written, for messages, such as "variable `PANOPE_HTTP_PORT` (`http_port`)".
    """

    setting: Setting
    value: Any
    source: str


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
    set_flags = {dotted: value for dotted, value in (flags or {}).items() if value is not None}
    values = [
        *_from_file(file),
        *_from_environment(environment),
        *_from_assignments(assignments, set_flags),
        *_from_flags(set_flags),
    ]
    return _settings(values)


def _settings(values: Iterable[SettingValue]) -> Settings:
    """The settings with these values, the later ones before the earlier ones."""
    tree: dict[str, Any] = {}
    for value in values:
        _check(value)
        _put(tree, value.setting.key, value.value)
    try:
        return msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:  # each value is right, but two of a section contradict each other
        raise SettingsError(f"settings contradict each other: {error.__cause__ or error}") from None


def _check(value: SettingValue) -> None:
    """Refuses a value that its setting does not take."""
    tree: dict[str, Any] = {}
    _put(tree, value.setting.key, value.value)
    try:
        msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, NamedTwiceError):
            raise SettingsError(f"{value.source}: {error.__cause__}") from None
        raise wrong_value(value.source, value.setting, value.value) from None


def _from_file(file: Path | None) -> list[SettingValue]:
    path = file or Path("panope.toml")
    if file is None and not path.is_file():
        return []
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: it is not a text in UTF-8") from None
    known = {setting.dotted: setting for setting in settings_of()}
    sections = {setting.key[0] for setting in known.values() if len(setting.key) > 1}
    values = []
    for dotted, value in _flat(content):
        setting = known.get(dotted)
        if setting is None and dotted in sections:
            raise SettingsError(f"{path}: `{dotted}` is a section; write `[{dotted}]`, and its keys below it")
        if setting is None:
            raise unknown_setting(f"{path}", dotted, {*known, *sections})
        values.append(SettingValue(setting, value, f"{path}: `{dotted}`"))
    return values


def _from_environment(environment: Mapping[str, str]) -> Iterator[SettingValue]:
    known = {setting.variable: setting for setting in settings_of()}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable.startswith(TEST_PREFIX) or variable in OTHER_VARIABLES:
            continue
        setting = known.get(variable)
        if setting is None:
            raise unknown_variable(variable, known)
        yield SettingValue(setting, _parsed(setting, text), f"variable `{variable}` (`{setting.dotted}`)")


def _from_assignments(assignments: Sequence[str], flags: Mapping[str, Any]) -> list[SettingValue]:
    known = {setting.dotted: setting for setting in settings_of()}
    values: dict[str, SettingValue] = {}
    for assignment in assignments:
        dotted, equals, text = assignment.partition("=")
        setting = known.get(dotted)
        if setting is None:
            raise unknown_setting("--set", dotted, known)
        if not equals:
            raise SettingsError(f"--set {assignment}: write it as KEY=VALUE")
        if dotted in values:
            raise SettingsError(f"setting `{dotted}` is given twice by --set; give it once")
        if dotted in flags:
            raise SettingsError(f"setting `{dotted}` is given by --set and by a flag of its own; give it once")
        values[dotted] = SettingValue(setting, _parsed(setting, text), f"--set `{dotted}`")
    return list(values.values())


def _from_flags(flags: Mapping[str, Any]) -> list[SettingValue]:
    known = {setting.dotted: setting for setting in settings_of()}
    return [SettingValue(known[dotted], value, f"`--{dotted.replace('_', '-')}`") for dotted, value in flags.items()]


def _parsed(setting: Setting, text: str) -> Any:
    """A text as msgspec takes it: lists are written with commas."""
    return [part for part in text.split(",") if part] if get_origin(setting.type) is tuple else text


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of a TOML document in its dotted form, with its value; an empty section is one too if it is unknown."""
    sections = {setting.key[0] for setting in settings_of() if len(setting.key) > 1}
    for key, value in content.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, Mapping) and (value or dotted in sections):
            yield from _flat(value, f"{dotted}.")
        else:
            yield dotted, value


def _put(tree: dict[str, Any], key: tuple[str, ...], value: Any) -> None:
    for part in key[:-1]:
        tree = tree.setdefault(part, {})
    tree[key[-1]] = value
