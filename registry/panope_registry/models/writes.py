"""Writes to the database, each within a transaction of the caller's.

Changes run one at a time over all processes (`Database.change`), so looking first and inserting what is missing is
safe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict

from sqlalchemy import Connection, Table, delete, exists, insert, select, update

from panope_backends.errors import AlreadyExistsError, InvalidInputError, PreconditionError
from panope_registry.models.revision import ImportedRevision, RepoOrigin, RevisionFile
from panope_registry.names import FOLDER, ModelName, shown
from panope_registry.store.manifest import Manifest
from panope_registry.store.store import Blob
from panope_registry.tables.alias_tables import alias
from panope_registry.tables.columns import now
from panope_registry.tables.model_tables import (
    blob,
    blob_location,
    component,
    model,
    model_variant,
    repo,
    repo_file,
    revision,
    variant,
    variant_file,
    vendor,
)

BASE_MODEL = "base_model"
"""The component that an adapter needs and has not."""


def record_import(connection: Connection, name: ModelName, imported: ImportedRevision, store: str) -> None:
    """Makes an imported revision the one that the model serves; records what is not known yet.

    Raises:
        AlreadyExistsError: the name is an alias's, or belongs to a repo of another source.
        InvalidInputError: a source declares another size for bytes that are known.
        PreconditionError: the model would be a part of itself.
    """
    if connection.execute(select(alias.c.name).where(alias.c.name == str(name))).first():
        raise AlreadyExistsError(f"`{name}` is an alias; remove it first", reason="alias_exists", field="model")
    vendor_id = _ensure(connection, vendor, {"name": name.vendor}, {"created_at": now()})
    repo_id = _ensure_repo(connection, vendor_id, str(name), imported.origin)
    record_blobs(connection, (file.blob for file in imported.files if file.blob), store)
    _record_declared(connection, imported.files)
    revision_id = _ensure_revision(connection, repo_id, imported)
    base = imported.inspection.base
    if base:
        _refuse_cycle(connection, str(name), base)
    variant_ids = [record_variant(connection, manifest, revision_id, base=base) for manifest in imported.manifests]
    model_id = _put_model(connection, vendor_id, str(name), revision_id, imported)
    for variant_id in variant_ids:
        link = {"model_id": model_id, "revision_id": revision_id, "variant_id": variant_id}
        if not connection.execute(select(model_variant).filter_by(**link)).first():
            connection.execute(insert(model_variant).values(link))


def record_blobs(connection: Connection, blobs: Iterable[Blob], store: str) -> None:
    """Records that a store holds these blobs and has just hashed them."""
    for sha256, found in {found.sha256: found for found in blobs}.items():
        if not connection.execute(select(blob.c.sha256).where(blob.c.sha256 == sha256)).first():
            connection.execute(insert(blob).values(sha256=sha256, size_bytes=found.size_bytes, created_at=now()))
        record_hashed(connection, {sha256: found.fingerprint}, store)


def record_hashed(connection: Connection, fingerprints: Mapping[str, str], store: str) -> None:
    """Records that blobs were hashed and are what their names say; sha256 -> fingerprint."""
    for sha256, fingerprint in fingerprints.items():
        _put_location(connection, sha256, store, state="present", fingerprint=fingerprint)


def record_damaged(connection: Connection, sha256: str, store: str) -> None:
    """Records that a blob is in quarantine."""
    _put_location(connection, sha256, store, state="quarantined", fingerprint="")


def record_missing(connection: Connection, sha256: str, store: str) -> None:
    """Records that a store has a blob no more; where a hub has it, it can be downloaded again."""
    connection.execute(delete(blob_location).filter_by(sha256=sha256, store=store))


def record_variant(
    connection: Connection,
    manifest: Manifest,
    revision_id: int | None = None,
    derived_from_id: int | None = None,
    base: str = "",
) -> int:
    """Records a variant unless its digest is known; returns its id. `base` is the model that an adapter changes."""
    known = connection.execute(select(variant.c.id).where(variant.c.digest == manifest.digest)).scalar_one_or_none()
    if known is not None:
        return int(known)
    origin = manifest.origin
    variant_id = _insert(
        connection,
        variant,
        {
            "digest": manifest.digest,
            "format": manifest.format,
            "precision": manifest.precision,
            "size_bytes": manifest.size_bytes,
            "parameter_count": manifest.parameter_count,
            "derived_from_id": derived_from_id,
            "backend": origin.backend if origin else "",
            "engine_version": origin.engine_version if origin else "",
            "created_at": now(),
        },
    )
    components = {
        name: _insert(connection, component, {"variant_id": variant_id, "name": name, "revision_id": revision_id})
        for name in sorted({file.component for file in manifest.files})
    }
    if base:
        connection.execute(insert(component).values(variant_id=variant_id, name=BASE_MODEL, repo_name=base))
    connection.execute(
        insert(variant_file),
        [
            {
                "variant_id": variant_id,
                "path": file.path,
                "component_id": components[file.component],
                "sha256": file.sha256,
            }
            for file in manifest.files
        ],
    )
    return variant_id


def delete_lost_variant(connection: Connection, digest: str) -> None:
    """Deletes what was made of a variant once, so that what was made now can take its place.

    Raises:
        PreconditionError: some store has all its files.
    """
    for store in connection.execute(select(blob_location.c.store).distinct()).scalars().all():
        here = exists().where(
            blob_location.c.sha256 == variant_file.c.sha256,
            blob_location.c.store == store,
            blob_location.c.state == "present",
        )
        lacking = exists().where(variant_file.c.variant_id == variant.c.id, ~here)
        if connection.execute(select(variant.c.id).where(variant.c.digest == digest, ~lacking)).first() is not None:
            raise PreconditionError(
                "another machine has made this conversion, and its bytes are others; share its store "
                "(`shared_store.url`)",
                reason="conversion_conflict",
            )
    connection.execute(delete(variant).where(variant.c.digest == digest))


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


def _ensure_repo(connection: Connection, vendor_id: int, name: str, origin: RepoOrigin | None) -> int:
    source = origin.source if origin else FOLDER
    values = {"endpoint": origin.endpoint if origin else None, "synced_at": now()}
    found = connection.execute(select(repo.c.id, repo.c.source).where(repo.c.name == name)).one_or_none()
    if found is None:
        more = {"vendor_id": vendor_id, "name": name, "source": source, "created_at": now()}
        return _insert(connection, repo, values | more)
    if found.source != source:
        raise AlreadyExistsError(
            f"`{name}` comes from a {found.source}, not from a {source}; use another name, or remove that model first"
        )
    connection.execute(update(repo).where(repo.c.id == found.id).values(values))
    return int(found.id)


def _record_declared(connection: Connection, files: Iterable[RevisionFile]) -> None:
    """Makes blobs known that can be downloaded; they get a location when they are here."""
    declared = {file.sha256: file for file in files if file.sha256 is not None and file.blob is None}
    for sha256, file in declared.items():
        size = connection.execute(select(blob.c.size_bytes).where(blob.c.sha256 == sha256)).scalar_one_or_none()
        if size is None:
            connection.execute(insert(blob).values(sha256=sha256, size_bytes=file.size_bytes, created_at=now()))
        elif size != file.size_bytes:
            raise InvalidInputError(
                f"`{shown(file.path)}` is listed with {file.size_bytes} bytes, and its sha256 is that of {size} bytes",
                reason="broken_listing",
            )


def _refuse_cycle(connection: Connection, name: str, base: str) -> None:
    """Follows what is recorded from the base on; `name` must not come up."""
    seen: set[str] = set()
    ahead = {base}
    while ahead - seen:
        if name in ahead:
            raise PreconditionError(
                f"`{name}` would need itself: its base model `{base}` is, or needs, `{name}`",
                reason="cyclic_components",
            )
        seen |= ahead
        needed = (
            select(component.c.repo_name)
            .join(model_variant, model_variant.c.variant_id == component.c.variant_id)
            .join(model, model.c.id == model_variant.c.model_id)
            .where(model.c.name.in_(ahead), component.c.repo_name.is_not(None))
        )
        ahead = set(connection.execute(needed).scalars())


def _ensure_revision(connection: Connection, repo_id: int, imported: ImportedRevision) -> int:
    key = {"repo_id": repo_id, "commit": imported.commit}
    origin_columns = _origin_columns(imported.origin)
    known = connection.execute(select(revision.c.id).filter_by(**key)).scalar_one_or_none()
    if known is not None:
        if origin_columns:
            connection.execute(update(revision).where(revision.c.id == known).values(origin_columns))
        _renew_kinds(connection, int(known), imported.files)
        return int(known)
    values = key | origin_columns | {"config": dict(imported.inspection.config), "created_at": now()}
    revision_id = _insert(connection, revision, values)
    connection.execute(insert(repo_file), [{"revision_id": revision_id} | _file_row(file) for file in imported.files])
    return revision_id


def _renew_kinds(connection: Connection, revision_id: int, files: Iterable[RevisionFile]) -> None:
    """Updates the kinds of files: a grant given since changes what they are for, and which can be downloaded.

    Files are new where the listing before was that of a cache, which holds what somebody wanted.
    """
    rows = connection.execute(select(repo_file.c.path, repo_file.c.kind).filter_by(revision_id=revision_id))
    kinds = {row.path: row.kind for row in rows}
    for file in files:
        if file.path not in kinds:
            connection.execute(insert(repo_file).values({"revision_id": revision_id} | _file_row(file)))
        elif kinds[file.path] != file.kind.value:
            key = {"revision_id": revision_id, "path": file.path}
            connection.execute(update(repo_file).filter_by(**key).values(_file_row(file)))


def _origin_columns(origin: RepoOrigin | None) -> dict[str, object]:
    """Returns what the source says of a revision."""
    if origin is None:
        return {}
    remote = origin.revision
    card = {"tags": list(remote.tags), "base_models": list(remote.base_models), "gated": remote.gated}
    return {
        "ref": remote.ref,
        "pipeline_tag": remote.pipeline_tag,
        "library_name": remote.library_name,
        "card": card,
    }


def _file_row(file: RevisionFile) -> dict[str, object]:
    listed = file.listed
    declared = listed.sha256 if listed else None
    return {
        "path": file.path,
        "kind": file.kind.value,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "declared_sha256": declared,
        "git_sha1": listed.git_sha1 if listed else None,
        "xet_hash": listed.xet_hash if listed else None,
        "hash_source": ("declared" if declared else "computed") if declared or file.sha256 else None,
    }


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
    # What is empty leaves what was wished before.
    values |= {name: wish for name, wish in asdict(imported.preferences).items() if wish}
    known = connection.execute(select(model.c.id).where(model.c.name == name)).scalar_one_or_none()
    if known is None:
        return _insert(connection, model, values | {"vendor_id": vendor_id, "name": name, "created_at": now()})
    connection.execute(update(model).where(model.c.id == known).values(values))
    return int(known)


def _put_location(connection: Connection, sha256: str, store: str, *, state: str, fingerprint: str) -> None:
    values = {"state": state, "fingerprint": fingerprint, "verified_at": now()}
    key = {"sha256": sha256, "store": store}
    changed = connection.execute(update(blob_location).filter_by(**key).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(blob_location).values(key | values))


def _ensure(connection: Connection, table: Table, key: dict[str, object], more: dict[str, object]) -> int:
    known = connection.execute(select(table.c.id).filter_by(**key)).scalar_one_or_none()
    return int(known) if known is not None else _insert(connection, table, key | more)


def _insert(connection: Connection, table: Table, values: Mapping[str, object]) -> int:
    row_id = connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one()
    return int(row_id)
