"""Files that inputs name by URL: a step of the pipeline fetches them, and no task sees one that is not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from panope_backends.errors import InvalidInputError
from panope_server.config import MediaLimits
from panope_server.tasks.validation import check_length

FileKind = Literal["image", "audio", "document", "video"]

SCHEME_CHARACTERS = 8
"""From the start of a URL, in which its scheme is."""

MAX_URL_CHARACTERS = 8192
"""Of a file that is elsewhere; one that holds its file has that file's limit."""

_DATA = "data:"
_SCHEMES = (_DATA, "http://", "https://")


@dataclass(frozen=True, slots=True)
class Link:
    """A file that is still elsewhere.

    Attributes:
        url: as the caller wrote it; a `data:` URL holds the file itself.
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


def file_url(uri: str, field: str) -> str:
    """A URL of a file.

    Args:
        uri: as the caller sent it.
        field: of the request that holds it.

    Raises:
        InvalidInputError: it is of another scheme than `data`, `http` and `https`, or too long.
    """
    if not uri[:SCHEME_CHARACTERS].lower().startswith(_SCHEMES):
        raise InvalidInputError.at(field, "{field} must be a `data:` URL, or one of https or http")
    if not holds_file(uri):
        check_length(uri, field, MAX_URL_CHARACTERS)
    return uri


def holds_file(url: str) -> bool:
    """Whether a URL holds its file itself."""
    return url[: len(_DATA)].lower() == _DATA
