"""Models that are gone while their files are not yet: what a collection finds after one was deleted elsewhere."""

from __future__ import annotations

from panope_registry.models import writes
from panope_registry.tables.database import Database


def forget_model(database: Database, name: str) -> None:
    """Forgets a model whatever needs it; its files stay in the store."""
    with database.change() as connection:
        assert writes.delete_model(connection, name)
