"""A registry with three models for aliases to point to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for `alias_models`

from alias_models import CONVERTED, DIGEST, MODELS

from panope_registry.models.aliases import Aliases
from panope_registry.tables.columns import now
from panope_registry.tables.database import Database, open_engine
from panope_registry.tables.model_tables import model, model_variant, repo, revision, variant, vendor


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """With three models; `v/a` has a variant, and that was converted."""
    database = Database(open_engine(database_url))
    moment = now()
    with database.change() as connection:
        connection.execute(insert(vendor).values(id=1, name="v", created_at=moment))
        connection.execute(
            insert(repo).values(id=1, vendor_id=1, name="v/r", source="folder", created_at=moment, synced_at=moment)
        )
        connection.execute(insert(revision).values(id=1, repo_id=1, commit="c", config={}, created_at=moment))
        for number, name in enumerate(MODELS, 1):
            values = {"id": number, "vendor_id": 1, "name": name, "revision_id": 1, "task": "", "architecture": ""}
            values |= {"reasons": {}, "created_at": moment, "updated_at": moment}
            connection.execute(insert(model).values(values))
        made = {"format": "onnx", "precision": "", "size_bytes": 0, "parameter_count": 0, "backend": "b"}
        for number, digest in enumerate((DIGEST, CONVERTED), 1):
            source = {"id": number, "digest": digest, "derived_from_id": number - 1 or None, "engine_version": "1"}
            source |= {"task": None if number == 1 else ""}
            connection.execute(insert(variant).values(made | source | {"created_at": moment}))
        connection.execute(insert(model_variant).values(model_id=1, revision_id=1, variant_id=1))
    yield database
    database.close()


@pytest.fixture
def aliases(database: Database) -> Aliases:
    return Aliases(database)
