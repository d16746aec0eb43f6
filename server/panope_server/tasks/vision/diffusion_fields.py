"""Checks of the fields that all tasks that draw have, whatever the model."""

from __future__ import annotations

from typing import Protocol

from panope_backends.errors import InvalidInputError
from panope_server.tasks.validation import check_length, check_range

MAX_STEPS = 250
MAX_SIDE = 8192
MAX_PROMPT = 32_000
MAX_GUIDANCE = 100.0
MAX_SEED = (1 << 63) - 1


class Drawn(Protocol):
    """An input of such a task; 0 and None stand for the model's own."""

    prompt: str
    negative_prompt: str | None
    width: int
    height: int
    steps: int
    guidance_scale: float | None
    seed: int | None


def check_drawing(task_input: Drawn) -> None:
    """Refuses what no model could draw.

    Raises:
        InvalidInputError: it names the field and the limit.
    """
    check_length(task_input.prompt, "prompt", MAX_PROMPT)
    if task_input.negative_prompt is not None:
        check_length(task_input.negative_prompt, "negative_prompt", MAX_PROMPT)
    if not task_input.prompt.strip():
        raise InvalidInputError.at("prompt", "{field} is empty")
    for name, most in (("width", MAX_SIDE), ("height", MAX_SIDE), ("steps", MAX_STEPS)):
        if getattr(task_input, name):
            check_range(task_input, name, 1, most)
    check_range(task_input, "seed", 0, MAX_SEED)
    guidance = task_input.guidance_scale
    if guidance is not None and not 0 <= guidance <= MAX_GUIDANCE:
        raise InvalidInputError.at("guidance_scale", "{field} must be from 0 to {most:g}", most=MAX_GUIDANCE)
