"""The engine and its transactions: SQLite by default, PostgreSQL by URL.

`read` is a snapshot, `write` a transaction, `change` a write to models, repos or variants, one at a time over all
processes and seen by those who follow the registry. None is held over work on files or the network.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, select, update
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_registry.tables.database_errors import refuse_unstorable, translated
from panope_registry.tables.disk_reserve import Reserve
from panope_registry.tables.model_tables import change_counter

BUSY_TIMEOUT_SECONDS = 30

_POSTGRES_PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""A server that vanished without a word, with its network, is given up within half a minute or so. In seconds, the last
in milliseconds; what the URL says counts first."""

_BEGIN = "panope_begin"
"""The execution option that says how a SQLite transaction begins."""


class Database:
    """An engine, with this registry's way of beginning transactions."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A snapshot: all queries in it see the same moment."""
        options = {} if self.engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        with translated(), self.engine.connect() as connection:
            connection.execution_options(**options)
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction, committed at the end and rolled back by an exception."""
        with translated(), self.engine.connect() as connection:
            # A transaction that reads first and writes later loses updates on SQLite unless it takes the lock at once.
            connection.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
            with connection.begin():
                yield connection

    @contextmanager
    def change(self) -> Iterator[Connection]:
        """A write that waits for other changes and moves `change_token`."""
        with self.write() as connection:
            connection.execute(update(change_counter).values(value=change_counter.c.value + 1))
            yield connection

    def change_token(self) -> int:
        """Returns a number that every change raises."""
        with self.read() as connection:
            return int(connection.execute(select(change_counter.c.value)).scalar_one())

    def keep_reserve(self) -> None:
        """Keeps room on the disk for when it is full (`reserve`), if there is room; nothing on PostgreSQL."""
        if file := sqlite_file(self.engine):
            Reserve(file).keep()

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()


def open_engine(database: str | Path) -> Engine:
    """Returns an engine for SQLite's file, `sqlite:///FILE` or `postgresql://…`; connects to nothing yet.

    A path is taken as it is, while a `?` in a URL begins its options.

    Raises:
        InvalidInputError: the URL is not one, or of another kind of database.
        PreconditionError: the driver for PostgreSQL is not installed.
    """
    url = URL.create("sqlite", database=str(database)) if isinstance(database, Path) else _parse(database)
    try:
        if url.get_backend_name() == "sqlite":
            return _sqlite(url)
        patient = {name: value for name, value in _POSTGRES_PATIENCE.items() if name not in url.query}
        return _guarded(
            create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True, connect_args=patient)
        )
    except ModuleNotFoundError:
        raise PreconditionError(
            "PostgreSQL needs the package `psycopg[binary]`", reason="driver_not_installed"
        ) from None


def sqlite_file(engine: Engine) -> Path | None:
    """Returns the database's file; None on PostgreSQL."""
    return Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None


def _parse(database_url: str) -> URL:
    try:
        url = make_url(database_url)
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise InvalidInputError("`database_url` is not a URL", field="database_url") from None
    if backend not in ("sqlite", "postgresql", "postgres"):
        raise InvalidInputError("`database_url` must begin with sqlite:/// or postgresql://", field="database_url")
    if backend == "sqlite" and url.database in (None, "", ":memory:"):
        raise InvalidInputError("`database_url` must name a file, such as sqlite:////srv/db", field="database_url")
    return url


def _guarded(engine: Engine) -> Engine:
    """Both databases refuse the same words and numbers."""

    @event.listens_for(engine, "before_cursor_execute")
    def check(_connection: Connection, _cursor: object, _statement: str, values: Any, *_: object) -> None:
        refuse_unstorable(values)

    return engine


def _sqlite(url: URL) -> Engine:
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        # The driver's own transactions are off (None): ours begin where and how they say.
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "isolation_level": None},
    )
    reserve = Reserve(Path(url.database or ""))
    event.listen(engine, "do_connect", lambda *_: reserve.release_if_needed())
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", partial(_begin_sqlite, reserve))
    return _guarded(engine)


def _set_up_sqlite(connection: Any, _record: object) -> None:
    """The journal's mode is kept in the file and set by the migration."""
    for pragma in ("foreign_keys = ON", "synchronous = NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(reserve: Reserve, connection: Connection) -> None:
    beginning = connection.get_execution_options().get(_BEGIN, "BEGIN")
    if beginning != "BEGIN":  # it is to write
        reserve.release_if_needed()
    connection.exec_driver_sql(beginning)
