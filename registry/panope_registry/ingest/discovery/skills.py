"""Finds `hf_*.py` skills, which are read and never imported (docs/decisions/0214)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from panope_backends.errors import InvalidInputError, PanopeError
from panope_backends.python_models.layout import SKILL_PREFIX
from panope_registry.ingest.discovery.finder import SKILL, FoundModel, ScanOptions
from panope_registry.inspect.skills import read_skill
from panope_registry.names import parse_model_name, shown


class Skills:
    """The finder."""

    def matches(self, folder: Path, entries: Sequence[os.DirEntry[str]]) -> bool:
        """Returns whether the folder holds a skill."""
        del folder
        return any(_is_skill(entry) for entry in entries)

    def find(self, folder: Path, options: ScanOptions) -> Sequence[FoundModel]:
        """Finds each skill of the folder."""
        with os.scandir(folder) as entries:
            files = sorted(Path(entry.path) for entry in entries if _is_skill(entry))
        return [_look(file, options.name_of(file)) for file in files]


def _is_skill(entry: os.DirEntry[str]) -> bool:
    return entry.name.startswith(SKILL_PREFIX) and entry.name.endswith(".py") and entry.is_file(follow_symlinks=False)


def _look(file: Path, name: str) -> FoundModel:
    try:
        skill = read_skill(file)
    except PanopeError as error:
        return FoundModel(name, "", file, error.message, SKILL)
    hub_name = skill.facts.get("model", "")
    try:
        parse_model_name(hub_name)
    except InvalidInputError:
        problem = f"it names the model `{shown(hub_name)}`, which no hub has" if hub_name else "it names no model"
        problem = f"{problem}; register the model that it is for"
        return FoundModel(name, skill.task, file, problem, SKILL, facts=skill.facts)
    problem = (
        "it is code, which a scan does not take in; the model that it names can be registered, or its folder imported "
        "where `grants.remote_code` lists it"
    )
    return FoundModel(name, skill.task, file, problem, SKILL, hub_name=hub_name, facts=skill.facts)
