"""Sizes as people read them."""

from __future__ import annotations


def size_text(size: int) -> str:
    """Writes a size, such as `90.9 MB`; units are of 1000."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
