"""The catalogue of architectures as JSON; `panope catalogue --json` prints the same."""

from __future__ import annotations

from typing import Literal, cast

from msgspec import Struct

from panope_registry.catalogue import Catalogue, CatalogueEntry

Level = Literal["none", "partial", "full"]


class SupportJson(Struct):
    """What a backend says of an architecture for a task.

    Attributes:
        reason: why not, or not wholly.
    """

    level: Level
    reason: str


class ArchitectureJson(Struct):
    """An architecture with one of its tasks.

    Attributes:
        model_type: as config.json names it.
        task: that the registry names; empty where it names none.
        class_name: of transformers, which was tried.
        recognised: whether the registry names a task.
        loads: whether a worker loads a tiny model of it, on the cpu backend.
        serves: whether its answers through the task are those of the library on the same weights.
        reason: why it does not serve.
        backends: what each says, by name.
    """

    model_type: str
    task: str
    class_name: str
    recognised: bool
    loads: bool
    serves: bool
    reason: str
    backends: dict[str, SupportJson]


class TotalsJson(Struct):
    """Architectures that go so far with one of their tasks at least."""

    recognised: int
    loads: int
    serves: int


class CatalogueJson(Struct):
    """Which architectures are recognised, load and serve.

    Attributes:
        totals: of the architectures below.
        library_versions: that they were tried with, by name.
        architectures: by type and task.
    """

    totals: TotalsJson
    library_versions: dict[str, str]
    architectures: list[ArchitectureJson]


def catalogue_json(catalogue: Catalogue) -> CatalogueJson:
    """All that is told of it."""
    totals = catalogue.totals
    return CatalogueJson(
        TotalsJson(totals.recognised, totals.loads, totals.serves),
        dict(catalogue.versions),
        [_architecture(entry) for entry in catalogue.entries],
    )


def _architecture(entry: CatalogueEntry) -> ArchitectureJson:
    return ArchitectureJson(
        entry.model_type,
        entry.task,
        entry.class_name,
        entry.recognised,
        entry.loads,
        entry.serves,
        entry.reason,
        {name: SupportJson(cast("Level", support.level), support.reason) for name, support in entry.backends.items()},
    )
