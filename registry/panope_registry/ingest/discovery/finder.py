"""The models that a scan finds, and the interface of what finds them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from panope_registry.ingest.folder import FolderFile
from panope_registry.inspect.grants import NO_GRANTS, Grants

MODEL = "model"
TRITON = "triton"
SKILL = "skill"
CACHE = "cache"

_ORIGINS = {TRITON: "a Triton model repository", CACHE: "the cache of the hub's client"}


@dataclass(frozen=True)
class FoundModel:
    """A model that was found, or a description of one that can be had.

    Attributes:
        name: proposed, as `vendor/name`.
        task: empty when unknown.
        folder: where it is.
        problem: why it cannot be imported; empty when it can.
        kind: `model`, `triton`, `cache` or `skill`.
        files: what importing takes in; empty when it cannot.
        hub_name: the model of the hub that it asks for, as `vendor/name`; empty when it brings its own files.
        facts: what else it says of itself, for people.
        problem_reason: the stable word of the problem; empty where there is none.
    """

    name: str
    task: str
    folder: Path
    problem: str = ""
    kind: str = MODEL
    files: tuple[FolderFile, ...] = ()
    hub_name: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    problem_reason: str = ""

    @property
    def reasons(self) -> Mapping[str, str]:
        """The reasons that the model gets when it is imported."""
        if self.kind not in _ORIGINS:
            return {}
        facts = "; ".join(f"{name}: {value}" for name, value in self.facts.items())
        return {"source": f"it was found in {_ORIGINS[self.kind]}; {facts}"}


@dataclass(frozen=True)
class ScanOptions:
    """The options of a scan.

    Attributes:
        vendor: for the names of what is found; empty takes the name of the folder above each.
        grants: what an admin lets single models do.
    """

    vendor: str = ""
    grants: Grants = NO_GRANTS

    def name_of(self, path: Path) -> str:
        """Proposes a name for a path; it may be no valid one."""
        return f"{self.vendor or path.parent.name}/{path.stem if path.suffix == '.py' else path.name}"


class Finder(Protocol):
    """Finds models of one kind."""

    def matches(self, folder: Path, entries: Sequence[os.DirEntry[str]]) -> bool:
        """Returns whether the folder is one of its kind, or holds some; `entries` are what is in it, by name."""

    def find(self, folder: Path, options: ScanOptions) -> Sequence[FoundModel]:
        """Finds the models in a folder that matches; one that cannot be imported has a problem, and raises nothing."""
