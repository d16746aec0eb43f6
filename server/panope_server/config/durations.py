"""Times as people write them."""

from __future__ import annotations

import math
import re

_PART = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h|d)", re.ASCII)
_NUMBER = re.compile(r"-?(\d+(\.\d+)?|\.\d+)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MOST_SECONDS = 100 * 365 * 86400.0

#: What `parse_keep_alive` takes, for people.
KEEP_ALIVE_WORDS = (
    "seconds, or a duration such as `90s`, `5m` or `1h30m`; 0 unloads after the call, a negative one keeps for ever"
)


def parse_keep_alive(text: str | float, name: str) -> float | None:
    """Seconds for which a model stays loaded that nobody uses, as Ollama writes them.

    Args:
        text: a number of seconds, a duration such as `5m` or `1h30m`, or empty.
        name: of the setting or the field, for the message.

    Returns:
        Seconds; infinity for a negative time, which is for ever; None for an empty text, which says nothing.

    Raises:
        ValueError: it is neither; the message names it.
    """
    written = str(text).strip()
    if not written:
        return None
    seconds = _seconds(written.removeprefix("-"))
    if seconds is None or seconds > _MOST_SECONDS:
        raise ValueError(f"`{name}` must be {KEEP_ALIVE_WORDS}")
    return math.inf if written.startswith("-") and seconds else seconds


def _seconds(text: str) -> float | None:
    """Seconds of a number or a duration without its sign; None for anything else."""
    if _NUMBER.fullmatch(text) and not text.startswith("-"):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
