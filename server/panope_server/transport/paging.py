"""Pages of lists: their size, and the opaque token that asks for the next."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from panope_backends.errors import InvalidInputError

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000

T = TypeVar("T")


def page_size_of(given: int) -> int:
    """How many to return; InvalidInputError past the limit."""
    if given > MAX_PAGE_SIZE:
        raise InvalidInputError(f"`page_size` is {given:,}; the limit is {MAX_PAGE_SIZE:,}", field="page_size")
    return given or DEFAULT_PAGE_SIZE


def page_of(found: Sequence[T], size: int, name: Callable[[T], str]) -> tuple[Sequence[T], str]:
    """The page and the token of the next one; empty when this is the last.

    Args:
        found: up to one more than the page holds.
        size: of the page.
        name: what the next page comes after.
    """
    page = found[:size]
    more = len(found) > size
    return page, base64.urlsafe_b64encode(name(page[-1]).encode()).decode() if more else ""


def after_of(token: str, field: str = "page_token") -> str:
    """The name that a token holds; empty for the first page. `field` is where the caller gave it."""
    try:
        return base64.b64decode(token.encode(), b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise wrong_token(field) from None


def wrong_token(field: str = "page_token") -> InvalidInputError:
    """For a token of another list, or of nobody's."""
    return InvalidInputError(f"`{field}` is not one that this server gave", field=field)
