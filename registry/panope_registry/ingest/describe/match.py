"""What a rule says of a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from panope_registry.ingest.describe.folder import Folder


@dataclass(frozen=True)
class Match:
    """A description that fits.

    Attributes:
        name: of the model or library, by which a user chooses it.
        description: the content of `panope.json`, without its version.
        because: what it was recognised by, for people.
        is_certain: whether nothing else takes and gives the like; otherwise somebody must say that it is this.
        more: files that belong to it, by their names: each is written into a folder when it is asked for.
    """

    name: str
    description: Mapping[str, Any]
    because: str
    is_certain: bool = True
    more: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)

    @property
    def task(self) -> str:
        """Of the model."""
        return str(self.description["task"])

    @property
    def decoder(self) -> str:
        """What its outputs are read by."""
        return str(self.description.get("output", {}).get("decoder", self.name))


Rule = Callable[[Folder], Match | None]
