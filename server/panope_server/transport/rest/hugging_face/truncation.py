"""How the Inference API's clients say what to do with a text that is too long."""

from __future__ import annotations

from typing import Literal

from panope_backends.errors import InvalidInputError

Truncate = bool | Literal["NONE", "START", "END"]
Direction = Literal["left", "right", "Left", "Right"]


def truncation_of(truncate: Truncate | None, direction: str | None) -> str:
    """What to do with a text that is too long.

    Raises:
        InvalidInputError: the two name two sides.
    """
    side = (direction or "").lower()
    if truncate in {None, False, "NONE"}:
        return "refuse"
    if side and truncate in {"START", "END"} and (side == "left") != (truncate == "START"):
        raise InvalidInputError(
            "`truncation_direction` names another side than `truncate`", field="truncation_direction"
        )
    return "start" if truncate == "START" or side == "left" else "end"
