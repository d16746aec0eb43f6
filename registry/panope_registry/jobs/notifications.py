"""Wakes this process's runners for work that other processes make.

PostgreSQL notifies its listeners when a transaction commits. SQLite notifies nobody, but its data version moves with
each commit of another connection, and reading it costs microseconds. Runners rely on neither and poll now and then:
behind a pooler that lends connections for one transaction no notification comes, and none over a broken connection.
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

_POLL_SECONDS = 0.05
"""The interval between two reads of SQLite's data version."""

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
    """Notifies the wakeup, while the context lasts, whenever another process may have made work for a runner."""
    stop = threading.Event()
    thread = threading.Thread(target=_forward, args=(database, wakeup, stop), name="job-notifications", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _forward(database: Database, wakeup: Wakeup, stop: threading.Event) -> None:
    """Forwards until `stop`, through any absence of the database."""
    follow = _listen if database.engine.dialect.name == "postgresql" else _watch
    driver_error = database.engine.dialect.loaded_dbapi.Error
    while not stop.is_set():
        try:
            with database.engine.connect() as connection:
                connection.detach()  # it is held for long, so it leaves the pool
                try:
                    follow(connection.connection.dbapi_connection, wakeup, stop)
                except driver_error:
                    connection.invalidate()  # nothing can be rolled back
                    raise
        except (SQLAlchemyError, driver_error) as error:
            _log.debug("jobs of other processes are not noticed at once", exc_info=error)
            stop.wait(_RECONNECT_SECONDS)


def _listen(connection: Any, wakeup: Wakeup, stop: threading.Event) -> None:
    connection.autocommit = True
    connection.execute(f"LISTEN {CHANNEL}")
    wakeup.notify()  # for what was made before the listening began
    while not stop.is_set():
        for _ in connection.notifies(timeout=_STOP_SECONDS, stop_after=1):
            wakeup.notify()


def _watch(connection: Any, wakeup: Wakeup, stop: threading.Event) -> None:
    seen = None
    while not stop.wait(_POLL_SECONDS):
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version != seen:
            wakeup.notify()
            seen = version
