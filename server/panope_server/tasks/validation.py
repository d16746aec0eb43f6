"""Checks that several tasks make of their inputs, by the name of the field and with the limit.

What depends on the model (its longest text, its tensors, its prompts) is checked in the worker, where the model is.
"""

from __future__ import annotations

from collections.abc import Sequence

from panope_backends.errors import InvalidInputError
from panope_server.config import Limits

MAX_NAME_CHARACTERS = 256
MAX_TOKEN_ID = (1 << 31) - 1
MAX_COUNT = (1 << 32) - 1
"""What messages to workers carry."""


def check_length(text: str, field: str, limit: int = MAX_NAME_CHARACTERS) -> None:
    """Refuses a text, such as a name, that is too long; it would be repeated in answers and in the log."""
    if len(text) > limit:
        raise InvalidInputError.at(
            field, "{field} has {count:,} characters; the limit is {limit:,}", count=len(text), limit=limit
        )


def check_word(word: str, field: str, known: Sequence[str]) -> None:
    """Refuses a word that means nothing."""
    if word not in known:
        raise InvalidInputError.at(field, "{field} must be one of {known}", known=", ".join(known))


def check_positive(number: int | None, field: str) -> None:
    """Refuses a number below 1, and one that no message to a worker holds; None is no number."""
    if number is not None and not 1 <= number <= MAX_COUNT:
        raise InvalidInputError.at(field, "{field} must be at least 1 and at most {limit:,}", limit=MAX_COUNT)


def check_range(task_input: object, field: str, least: int, most: int) -> None:
    """Refuses a number of an input that is not within its limits; None is no number."""
    number: int | None = getattr(task_input, field)
    if number is not None and not least <= number <= most:
        raise InvalidInputError.at(
            field, "{field} must be at least {least:,} and at most {limit:,}", least=least, limit=most
        )


def check_texts(texts: Sequence[str], limits: Limits, field: str = "texts") -> None:
    """Refuses no texts, too many, an empty one and one that is too long."""
    check_count(field, len(texts), limits)
    for index, text in enumerate(texts):
        if not text or len(text) * 4 > limits.max_text_bytes:  # few have to be looked at, and need a name
            check_text(text, f"{field}[{index}]", limits)


def check_text(text: str, field: str, limits: Limits) -> None:
    """Refuses an empty text and one that is too long."""
    limit = limits.max_text_bytes
    if not text:
        raise InvalidInputError.at(field, "{field} is empty")
    # A character is at most four bytes, so most texts need no second look.
    if len(text) * 4 > limit and (size := len(text.encode())) > limit:
        raise InvalidInputError.at(field, "{field} has {size:,} bytes; the limit is {limit:,}", size=size, limit=limit)


def check_token_sequences(sequences: Sequence[Sequence[int]], limits: Limits) -> None:
    """Refuses no sequences, too many, an empty one, one that is too long and ids that no vocabulary has."""
    check_count("token_sequences", len(sequences), limits)
    limit = limits.max_text_bytes
    for index, ids in enumerate(sequences):
        name = f"token_sequences[{index}]"
        if not ids:
            raise InvalidInputError.at(name, "{field} is empty")
        if len(ids) > limit:
            raise InvalidInputError.at(
                name, "{field} has {count:,} ids; the limit is {limit:,}", count=len(ids), limit=limit
            )
        if min(ids) < 0 or max(ids) > MAX_TOKEN_ID:
            raise InvalidInputError.at(name, "{field} has ids outside 0 to {limit:,}", limit=MAX_TOKEN_ID)


def check_count(name: str, count: int, limits: Limits) -> None:
    """Refuses an empty list, and one of more items than one call may have."""
    if count == 0:
        raise InvalidInputError.at(name, "{field} is empty; give at least one")
    if count > limits.max_items:
        raise InvalidInputError.at(
            name, "{field} has {count:,} items; the limit is {limit:,}", count=count, limit=limits.max_items
        )
