"""Files that inputs name by URL: a step of the pipeline fetches them, and no task sees one that is not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from panope_server.config import MediaLimits

FileKind = Literal["image", "audio", "document"]


@dataclass(frozen=True, slots=True)
class Link:
    """A file that is still elsewhere.

    Attributes:
        url: as the caller wrote it.
        field: of the input that holds it.
        kind: by which its size is bounded; what it is, its content tells.
        put: writes its bytes into the input; it may raise InvalidInputError.
    """

    url: str
    field: str
    kind: FileKind
    put: Callable[[bytes], None]

    def max_bytes(self, limits: MediaLimits) -> int:
        """That the file may have."""
        most: int = getattr(limits, f"max_{self.kind}_bytes")
        return most
