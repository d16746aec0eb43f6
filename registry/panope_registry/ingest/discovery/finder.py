"""What a scan finds, and what a finder is."""

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

_PLACES = {TRITON: "a Triton model repository", CACHE: "the cache of the hub's client"}


@dataclass(frozen=True)
class FoundModel:
    """Something that is a model, or says how to get one.

    Attributes:
        name: proposed, as `vendor/name`.
        task: empty when unknown.
        folder: where it is.
        problem: why it cannot be imported; empty when it can.
        kind: `model`, `triton`, `cache` or `skill`.
        files: what importing takes in; empty when it cannot.
        hub_name: the model of the hub that it asks for, as `vendor/name`; empty when it brings its own files.
        facts: more that it says of itself, for people.
    """

    name: str
    task: str
    folder: Path
    problem: str = ""
    kind: str = MODEL
    files: tuple[FolderFile, ...] = ()
    hub_name: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def told(self) -> Mapping[str, str]:
        """What goes into the model's reasons when it is imported."""
        if self.kind not in _PLACES:
            return {}
        facts = "; ".join(f"{name}: {value}" for name, value in self.facts.items())
        return {"source": f"it was found in {_PLACES[self.kind]}; {facts}"}


@dataclass(frozen=True)
class ScanOptions:
    """What a scan is done under.

    Attributes:
        vendor: for the names of what is found; empty takes the name of the folder above each.
        grants: what an admin lets single models do.
    """

    vendor: str = ""
    grants: Grants = NO_GRANTS

    def name_of(self, path: Path) -> str:
        """The name that is proposed for what is there, which may be no right one."""
        return f"{self.vendor or path.parent.name}/{path.stem if path.suffix == '.py' else path.name}"


class Finder(Protocol):
    """Knows one kind of thing."""

    def is_one(self, folder: Path, entries: Sequence[os.DirEntry[str]]) -> bool:
        """Whether the folder is one of its kind, or holds some; `entries` are what is in it, by name."""

    def find(self, folder: Path, terms: ScanOptions) -> Sequence[FoundModel]:
        """What is there, when `is_one` has said so; what cannot be imported has a problem, and raises nothing."""
