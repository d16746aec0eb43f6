"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

#: A generated key. SQLite generates keys for INTEGER alone.
Identifier = BigInteger().with_variant(Integer, "sqlite")

#: Text ordered byte by byte on both databases, so that paging by name is the same on both.
Name = Text().with_variant(Text(collation="C"), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment with its zone: naive values are refused, UTC is stored, aware values come back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuses a moment that nobody can place."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs its zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """SQLite drops the zone; what was stored is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Json(TypeDecorator[dict[str, Any]]):
    r"""A JSON object kept as text.

    Not PostgreSQL's own type: real config.json files hold `Infinity` and `\u0000`, which that refuses. What is
    searched for has a column of its own.
    """

    impl = Text()
    cache_ok = True

    def process_bind_param(self, value: dict[str, Any] | None, dialect: Dialect) -> str | None:
        """Escapes everything but ASCII, so that no database refuses a character."""
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, Any] | None:
        """Returns the object that was stored."""
        if value is None:
            return None
        document = json.loads(value)
        assert isinstance(document, dict)
        return document


class JsonList(TypeDecorator[list[Any]]):
    """A JSON list kept as text, for the same reasons; null stays null."""

    impl = Text()
    cache_ok = True

    def process_bind_param(self, value: list[Any] | None, dialect: Dialect) -> str | None:
        """Escapes everything but ASCII."""
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> list[Any] | None:
        """Returns the list that was stored."""
        if value is None:
            return None
        document = json.loads(value)
        assert isinstance(document, list)
        return document


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)
