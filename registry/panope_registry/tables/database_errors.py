"""What goes wrong at the database, in Panope's errors; and what no database may be asked to keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError

from panope_backends.errors import AvailabilityError, CapacityError, DataLossError, InvalidInputError, PanopeError
from panope_registry.names import MAX_INTEGER, is_storable

RETRY_SECONDS = 1.0

_SQLITE = {8: "read_only", 11: "damaged", 13: "full", 26: "damaged"}
_SQLITE_EXTENDED = {4874: "full"}
"""SQLITE_IOERR_SHMSIZE: the disk has no room for what readers and writers share."""
_POSTGRES = {"53100": "full", "25006": "read_only", "XX001": "damaged", "XX002": "damaged"}


@contextmanager
def translated() -> Iterator[None]:
    """Says in Panope's errors that a database is away, full, read-only or broken; defects pass as they are."""
    try:
        yield
    except DBAPIError as error:
        trouble = _trouble(error)
        if trouble is None:
            raise
        raise trouble from error


def refuse_unstorable(values: Any) -> None:
    """Refuses words and numbers that one of the databases cannot keep, so that both answer alike.

    The last guard: methods that take a caller's words name the field before.

    Args:
        values: a statement's parameters: by name or in order, for one row or for several.

    Raises:
        InvalidInputError: a text holds a NUL or half of a character, or a number has more than 64 bits.
    """
    if isinstance(values, Mapping):
        values = values.values()
    elif not isinstance(values, Sequence):
        return
    for value in values:
        if isinstance(value, str):
            if not is_storable(value):
                raise InvalidInputError("a text holds a character that cannot be recorded", reason="not_storable")
        elif isinstance(value, int):
            if not -MAX_INTEGER - 1 <= value <= MAX_INTEGER:
                raise InvalidInputError("a number is too large to be recorded", reason="not_storable")
        elif isinstance(value, Mapping | list | tuple):
            refuse_unstorable(value)


def _trouble(error: DBAPIError) -> PanopeError | None:
    """Returns what an error of a driver means; None for a defect, such as a wrong statement."""
    kind = _kind(error)
    if kind == "full":
        return CapacityError(
            "the disk of the registry's database is full: make room, such as by `panope gc` or `panope rm`",
            reason="disk_full",
        )
    if kind == "read_only":
        return AvailabilityError(
            "the registry's database can only be read", reason="database_read_only", retry_after_seconds=RETRY_SECONDS
        )
    if kind == "damaged":
        return DataLossError("the registry's database is damaged", reason="database_damaged")
    if kind == "away":
        return AvailabilityError(
            "the registry's database does not answer", reason="database_unavailable", retry_after_seconds=RETRY_SECONDS
        )
    return None


def _kind(error: DBAPIError) -> str:
    # SQLite's drivers give a number, whose low byte is the kind; PostgreSQL's the five letters of the SQL standard.
    number = getattr(error.orig, "sqlite_errorcode", None)
    state = getattr(error.orig, "sqlstate", None) or ""
    if isinstance(number, int) and (known := _SQLITE_EXTENDED.get(number) or _SQLITE.get(number & 0xFF)):
        return known
    if state in _POSTGRES:
        return _POSTGRES[state]
    if isinstance(error, OperationalError | InterfaceError):
        return "away"
    # Of this class itself, and not of those below it, which tell of wrong statements and values: defects.
    return "damaged" if type(error) is DatabaseError else ""
