"""Hears of work that other processes make, and rings the wakeup for it.

PostgreSQL tells those who listen when a transaction commits. SQLite tells nobody, but a number moves with each commit
of another connection, and reading it costs microseconds. Runners rely on neither and look by themselves now and then:
behind a pooler that lends connections for one transaction nothing is heard, and while a connection is broken neither.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from panope_registry.jobs.wakeup import Wakeup
from panope_registry.tables.database import Database

CHANNEL = "panope_jobs"

_ANNOUNCE = select(func.pg_notify(CHANNEL, ""))

_LOOK_SECONDS = 0.05
"""Between two looks at SQLite's number."""

_STOP_SECONDS = 0.2
"""How soon a listener sees that it is to end."""

_RECONNECT_SECONDS = 1.0

_log = logging.getLogger(__name__)


def notify_runners(connection: Connection) -> None:
    """Wakes the runners of all processes once this transaction is committed."""
    if connection.dialect.name == "postgresql":
        connection.execute(_ANNOUNCE)


@contextmanager
def forward_notifications(database: Database, wakeup: Wakeup) -> Iterator[None]:
    """While it lasts, the wakeup rings when another process may have made work for a runner."""
    stop = threading.Event()
    thread = threading.Thread(target=_hear, args=(database, wakeup, stop), name="job-waking", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _hear(database: Database, wakeup: Wakeup, stop: threading.Event) -> None:
    """Through any absence of the database."""
    follow = _listen if database.engine.dialect.name == "postgresql" else _watch
    of_the_driver = database.engine.dialect.loaded_dbapi.Error
    while not stop.is_set():
        try:
            with database.engine.connect() as connection:
                connection.detach()  # it is held for long and is none of the pool's
                try:
                    follow(connection.connection.dbapi_connection, wakeup, stop)
                except of_the_driver:
                    connection.invalidate()  # nothing can be rolled back
                    raise
        except (SQLAlchemyError, of_the_driver) as error:
            _log.debug("jobs of other processes are not heard of at once", exc_info=error)
            stop.wait(_RECONNECT_SECONDS)


def _listen(connection: Any, wakeup: Wakeup, stop: threading.Event) -> None:
    connection.autocommit = True
    connection.execute(f"LISTEN {CHANNEL}")
    wakeup.ring()  # nobody told of what was made before
    while not stop.is_set():
        for _ in connection.notifies(timeout=_STOP_SECONDS, stop_after=1):
            wakeup.ring()


def _watch(connection: Any, wakeup: Wakeup, stop: threading.Event) -> None:
    seen = None
    while not stop.wait(_LOOK_SECONDS):
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version != seen:
            wakeup.ring()
            seen = version
