"""Alembic's environment.

Panope runs it with a connection whose transaction it has begun (`panope_registry.tables.migrate`). Developers run
`alembic -x url=… -c migrations/alembic.ini` to compare or generate; generate against PostgreSQL, whose defaults and
types suit both databases.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from panope_registry.tables.all_tables import metadata
from panope_registry.tables.database import open_engine


def run(connection: Connection) -> None:
    """Migrates over a connection; SQLite changes tables by making them anew (batch)."""
    context.configure(
        connection=connection, target_metadata=metadata, render_as_batch=True, compare_server_default=True
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with open_engine(context.get_x_argument(as_dictionary=True)["url"]).connect() as opened:
        run(opened)
