"""Query parameters of the hub's routes: those that are known are honoured, others refused by name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeVar
from urllib.parse import urlencode

from starlette.requests import Request

from panope_backends.errors import InvalidInputError
from panope_registry.names import is_storable, shown

T = TypeVar("T")

_TRUE, _FALSE = {"true", "True", "1"}, {"false", "False", "0", ""}
_MAX_CHARACTERS = 200


class HubQuery:
    """The parameters of a request.

    Args:
        request: as it came.
        known: the names that its route honours; `expand` may be written `expand[]` too.

    Raises:
        InvalidInputError: a name that is not known, or a value that nothing here can be.
    """

    def __init__(self, request: Request, known: Collection[str] = ()) -> None:
        self._request = request
        self._values: dict[str, list[str]] = {}
        for given, value in request.query_params.multi_items():
            name = given.removesuffix("[]")
            if name not in known:
                word = shown(given, 64)
                raise InvalidInputError(f"unknown query parameter `{word}`", field=word, reason="unknown_field")
            if len(value) > _MAX_CHARACTERS or not is_storable(value):
                raise InvalidInputError(
                    f"`{name}` must have at most {_MAX_CHARACTERS} characters, none of them NUL", field=name
                )
            self._values.setdefault(name, []).append(value)

    def text(self, name: str) -> str:
        """The last value; empty when there is none."""
        return self._values.get(name, [""])[-1]

    def texts(self, name: str) -> list[str]:
        """Every value; one may hold several, with commas between them."""
        return [word for value in self._values.get(name, []) for word in value.split(",") if word]

    def boolean(self, name: str, *, default: bool = False) -> bool:
        """The value; InvalidInputError when it is none."""
        if name not in self._values:
            return default
        if (text := self.text(name)) not in _TRUE | _FALSE:
            raise InvalidInputError(f"`{name}` must be `true` or `false`", field=name)
        return text in _TRUE

    def number(self, name: str, *, default: int, least: int, most: int) -> int:
        """The value; InvalidInputError when it is none, or out of its range."""
        if not (text := self.text(name)):
            return default
        if not (text.isascii() and text.isdecimal()) or len(text) > 18 or not least <= int(text) <= most:
            raise InvalidInputError(f"`{name}` must be a whole number from {least:,} to {most:,}", field=name)
        return int(text)

    def page(self, items: Sequence[T], *, most: int) -> tuple[Sequence[T], dict[str, str]]:
        """A page of a list by `limit` and `cursor`, and the header that leads to the next one."""
        limit = self.number("limit", default=most, least=1, most=most)
        start = self.number("cursor", default=0, least=0, most=1 << 53)
        page, end = items[start : start + limit], start + limit
        return page, {"link": f'<{self._link(end)}>; rel="next"'} if end < len(items) else {}

    def _link(self, cursor: int) -> str:
        """This request's address with another cursor, as the caller knows it: Envoy puts its own Host instead."""
        headers, url = self._request.headers, self._request.url
        host = headers.get("x-forwarded-host", headers.get("host", "")).rpartition(",")[2].strip()
        scheme = headers.get("x-forwarded-proto", url.scheme)
        others = [item for item in self._request.query_params.multi_items() if item[0] != "cursor"]
        return f"{scheme}://{host}{url.path}?{urlencode([*others, ('cursor', str(cursor))])}"
