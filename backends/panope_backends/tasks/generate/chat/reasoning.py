"""The marks around what models think before they answer."""

from __future__ import annotations

#: The opening ones first.
REASONING_MARKS = (("<think>", "</think>"), ("[THINK]", "[/THINK]"), ("<thinking>", "</thinking>"))


def reasoning_marks(template: str) -> tuple[str, str] | None:
    """The marks of a template whose model thinks before it answers; None for others."""
    return next((marks for marks in REASONING_MARKS if marks[0] in template or marks[1] in template), None)
