"""Writes of models: what an import records, and what removing one deletes."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import Connection, delete, exists, insert, select, update

from panope_backends.errors import AlreadyExistsError
from panope_registry.models.revision import ImportedRevision
from panope_registry.models.writes.blobs import record_blobs, record_declared
from panope_registry.models.writes.revisions import ensure_repo, ensure_revision
from panope_registry.models.writes.rows import ensure_row, insert_row
from panope_registry.models.writes.variants import record_variant
from panope_registry.names import ModelName
from panope_registry.tables.alias_tables import alias
from panope_registry.tables.columns import now
from panope_registry.tables.model_tables import (
    model,
    model_variant,
    repo,
    revision,
    variant,
    vendor,
)


def record_import(connection: Connection, name: ModelName, imported: ImportedRevision, store: str) -> None:
    """Makes an imported revision the one that the model serves; records what is not known yet.

    Raises:
        AlreadyExistsError: the name is an alias's, or belongs to a repo of another source.
        InvalidInputError: a source declares another size for bytes that are known.
    """
    if connection.execute(select(alias.c.name).where(alias.c.name == str(name))).first():
        raise AlreadyExistsError(f"`{name}` is an alias; remove it first", reason="alias_exists", field="model")
    vendor_id = ensure_row(connection, vendor, {"name": name.vendor}, {"created_at": now()})
    repo_id = ensure_repo(connection, vendor_id, str(name), imported.origin)
    record_blobs(connection, (file.blob for file in imported.files if file.blob), store)
    record_declared(connection, imported.files)
    revision_id = ensure_revision(connection, repo_id, imported)
    base = imported.inspection.base
    variant_ids = [record_variant(connection, manifest, revision_id, base=base) for manifest in imported.manifests]
    model_id = _put_model(connection, vendor_id, str(name), revision_id, imported)
    for variant_id in variant_ids:
        link = {"model_id": model_id, "revision_id": revision_id, "variant_id": variant_id}
        if not connection.execute(select(model_variant).filter_by(**link)).first():
            connection.execute(insert(model_variant).values(link))
    # The same adapter of the base as it was before, or the same model with the code of another repo as it was.
    if base or imported.inspection.code_elsewhere:
        of_revision = {"model_id": model_id, "revision_id": revision_id}
        offered = model_variant.c.variant_id.in_(variant_ids)
        connection.execute(delete(model_variant).filter_by(**of_revision).where(~offered))


def set_keep_alive(connection: Connection, name: str, seconds: float | None) -> bool:
    """Records how long a model stays loaded unused; None forgets it. False when there is no such model."""
    changed = update(model).where(model.c.name == name).values(keep_alive_seconds=seconds, updated_at=now())
    return connection.execute(changed).rowcount > 0


def delete_model(connection: Connection, name: str) -> bool:
    """Deletes a model, its repo, and the variants that no other model offers; False when there is none.

    Blobs and checkouts stay: another machine may be loading them at this moment.
    """
    row = connection.execute(
        select(model.c.id, revision.c.repo_id).join(revision).where(model.c.name == name)
    ).one_or_none()
    if row is None:
        return False
    connection.execute(delete(model).where(model.c.id == row.id))
    used = (
        select(model.c.id).join(revision, revision.c.id == model.c.revision_id).where(revision.c.repo_id == repo.c.id)
    )
    connection.execute(delete(repo).where(repo.c.id == row.repo_id, ~exists(used)))
    offered = select(model_variant.c.variant_id).where(model_variant.c.variant_id == variant.c.id)
    connection.execute(delete(variant).where(variant.c.derived_from_id.is_(None), ~exists(offered)))
    return True


def _put_model(connection: Connection, vendor_id: int, name: str, revision_id: int, imported: ImportedRevision) -> int:
    inspection = imported.inspection
    values = {
        "revision_id": revision_id,
        "task": inspection.task,
        "task_candidates": list(inspection.candidates) or None,
        "architecture": inspection.architecture,
        "reasons": dict(inspection.reasons),
        "updated_at": now(),
    }
    if imported.task_hints:
        values["task_hints"] = list(imported.task_hints)
    # What is empty leaves what was preferred before.
    values |= {column: value for column, value in asdict(imported.preferences).items() if value not in (None, "", ())}
    known = connection.execute(select(model.c.id).where(model.c.name == name)).scalar_one_or_none()
    if known is None:
        return insert_row(connection, model, values | {"vendor_id": vendor_id, "name": name, "created_at": now()})
    connection.execute(update(model).where(model.c.id == known).values(values))
    return int(known)
