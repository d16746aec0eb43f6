"""Brings a database to the schema of this version of Panope."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from panope_backends.errors import PreconditionError
from panope_migrations import HEAD
from panope_registry.tables.database import sqlite_file
from panope_registry.tables.database_errors import translated

if TYPE_CHECKING:
    from alembic.config import Config

#: Chosen once, for PostgreSQL's advisory lock that lets one process migrate at a time.
_LOCK_KEY = 0x70616E6F7065


def migrate(engine: Engine, to: str = "head") -> None:
    """Runs the migrations that are missing; at once when none is.

    Safe to call from several starting processes: one migrates, the others wait and find nothing to do.

    Args:
        engine: of an empty database, or of one that an equal or older Panope made.
        to: the version to reach, also an older one; "head" is this Panope's own.

    Raises:
        PreconditionError: a newer Panope made the schema.
        AvailabilityError: the database does not answer.
    """
    with translated():
        if to == "head" and _version_of(engine) == HEAD:
            return
        with _one_at_a_time(engine), engine.connect() as connection, _without_foreign_keys(connection):
            connection.execution_options(panope_begin="BEGIN IMMEDIATE")
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
                _run(connection, to)
                _check_foreign_keys(connection)


def _version_of(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return _version(connection)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _run(connection: Connection, to: str) -> None:
    """Alembic is imported only here: a start with nothing to migrate does not pay for it."""
    from alembic import command
    from alembic.script import ScriptDirectory

    with _configuration(connection) as config:
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        version = _version(connection)
        if version is not None and version not in known:
            raise PreconditionError(
                f"a newer Panope made the registry's database (schema {version}; this one knows {HEAD}): "
                "use that version, or another database",
                reason="schema_too_new",
            )
        backwards = to != "head" and (to == "base" or (version is not None and to < version))
        (command.downgrade if backwards else command.upgrade)(config, to)


@contextmanager
def _configuration(connection: Connection) -> Iterator[Config]:
    from alembic.config import Config

    with as_file(files("panope_migrations")) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        yield config


@contextmanager
def _one_at_a_time(engine: Engine) -> Iterator[None]:
    """Locks a file beside SQLite's; PostgreSQL locks in `migrate`.

    SQLite's own lock would do for the tables, but not for the journal's mode: of 180 starts at once, one failed with
    "database is locked" in spite of the time that it may wait.
    """
    file = sqlite_file(engine)
    if file is None:
        yield
        return
    lock = os.open(file.with_name(f"{file.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _use_write_ahead_log(engine)
        yield
    finally:
        os.close(lock)


def _use_write_ahead_log(engine: Engine) -> None:
    raw = engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        raw.close()


@contextmanager
def _without_foreign_keys(connection: Connection) -> Iterator[None]:
    """SQLite changes a table by making it anew; with foreign keys on, dropping the old one would drop its children."""
    if connection.dialect.name != "sqlite":
        yield
        return
    raw = connection.connection.cursor()  # the driver's own: the pragma does nothing inside a transaction
    raw.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        raw.execute("PRAGMA foreign_keys = ON")
        raw.close()


def _check_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise PreconditionError(f"the migration would break references of table `{broken[0]}`; nothing was changed")
