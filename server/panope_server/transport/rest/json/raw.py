"""Values of bodies that are kept as they were written, to be read in a second step or passed on."""

from __future__ import annotations

from msgspec import Raw


def is_given(value: Raw) -> bool:
    """Whether a field that holds any value has one; null means that it has none."""
    return bytes(value) not in (b"", b"null")
