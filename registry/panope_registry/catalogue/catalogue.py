"""The results of the sweep, read when first asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from panope_backends.errors import InvalidInputError

FILE = "catalogue.json"


@dataclass(frozen=True)
class BackendSupport:
    """What a backend says of an architecture for a task.

    Attributes:
        level: `full`, `partial` or `none`.
        reason: for people; empty for full support.
    """

    level: str
    reason: str = ""


@dataclass(frozen=True)
class CatalogueEntry:
    """An architecture with one of its tasks.

    Attributes:
        model_type: as config.json names it.
        task: that the registry names; empty where it names none for any class of the type.
        class_name: of transformers, which was tried.
        recognised: whether the registry names a task.
        loads: whether a worker loads a tiny model of it, on the cpu backend.
        serves: whether its answers through the task are those of the library on the same weights.
        reason: why it does not; empty where it serves.
        backends: what each says, by name.
    """

    model_type: str
    task: str
    class_name: str
    recognised: bool
    loads: bool
    serves: bool
    reason: str = ""
    backends: Mapping[str, BackendSupport] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """How far it goes, in a word."""
        if self.serves:
            return "serves"
        if self.loads:
            return "loads"
        return "recognised" if self.recognised else "unknown"


@dataclass(frozen=True)
class Totals:
    """Architectures that go so far with one of their tasks at least; each number counts those behind it too."""

    recognised: int
    loads: int
    serves: int


@dataclass(frozen=True)
class Catalogue:
    """Architectures with their tasks.

    Attributes:
        versions: of the libraries that they were tried with, by name.
        entries: by type and task.
    """

    versions: Mapping[str, str]
    entries: tuple[CatalogueEntry, ...]

    @property
    def totals(self) -> Totals:
        """Of these entries."""
        return Totals(*(self._count(name) for name in ("recognised", "loads", "serves")))

    @property
    def tasks(self) -> list[str]:
        """That entries have."""
        return sorted({entry.task for entry in self.entries if entry.task})

    @property
    def backends(self) -> list[str]:
        """That entries tell of."""
        return sorted({name for entry in self.entries for name in entry.backends})

    def only(self, *, task: str = "", backend: str = "") -> Catalogue:
        """Those of a task, and those that a backend supports, in part at least.

        Raises:
            InvalidInputError: there is no such task, or no such backend; it names those that there are.
        """
        _require("task", task, self.tasks)
        _require("backend", backend, self.backends)
        kept = (
            entry for entry in self.entries if task in ("", entry.task) and (not backend or _supports(entry, backend))
        )
        return Catalogue(self.versions, tuple(kept))

    def _count(self, name: str) -> int:
        return len({entry.model_type for entry in self.entries if getattr(entry, name)})


def _supports(entry: CatalogueEntry, backend: str) -> bool:
    support = entry.backends.get(backend)
    return support is not None and support.level != "none"


def _require(field: str, value: str, known: list[str]) -> None:
    if value and value not in known:
        raise InvalidInputError.at(field, "{field} must be one of {known}", known=", ".join(known))


@cache
def read_catalogue() -> Catalogue:
    """All of it."""
    document = json.loads(files(__package__).joinpath(FILE).read_text("utf-8"))
    return Catalogue(document["versions"], tuple(map(_entry, document["architectures"])))


def read_part(*, task: str = "", backend: str = "") -> Catalogue:
    """A part of it, as of `Catalogue.only`."""
    return read_catalogue().only(task=task, backend=backend)


def _entry(line: Mapping[str, Any]) -> CatalogueEntry:
    return CatalogueEntry(
        line["type"],
        line["task"],
        line["class"],
        line["recognised"],
        line["loads"],
        line["serves"],
        line.get("reason", ""),
        {name: BackendSupport(*told) for name, told in line.get("backends", {}).items()},
    )
