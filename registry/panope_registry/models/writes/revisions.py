"""Writes of repos, their revisions and the files of those."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, insert, select, update

from panope_backends.errors import AlreadyExistsError
from panope_registry.models.revision import ImportedRevision, RepoOrigin, RevisionFile
from panope_registry.models.writes.rows import insert_row
from panope_registry.names import FOLDER
from panope_registry.tables.columns import now
from panope_registry.tables.model_tables import (
    repo,
    repo_file,
    revision,
)


def ensure_repo(connection: Connection, vendor_id: int, name: str, origin: RepoOrigin | None) -> int:
    """Returns the id of a repo; records it if it is new.

    Raises:
        AlreadyExistsError: the name belongs to a repo of another source.
    """
    source = origin.source if origin else FOLDER
    values = {"endpoint": origin.endpoint if origin else None, "synced_at": now()}
    known = connection.execute(select(repo.c.id, repo.c.source).where(repo.c.name == name)).one_or_none()
    if known is None:
        named = {"vendor_id": vendor_id, "name": name, "source": source, "created_at": now()}
        return insert_row(connection, repo, values | named)
    if known.source != source:
        raise AlreadyExistsError(
            f"`{name}` comes from a {known.source}, not from a {source}; use another name, or remove that model first"
        )
    connection.execute(update(repo).where(repo.c.id == known.id).values(values))
    return int(known.id)


def ensure_revision(connection: Connection, repo_id: int, imported: ImportedRevision) -> int:
    """Returns the id of a revision; records it if it is new, and updates what its source says otherwise."""
    key = {"repo_id": repo_id, "commit": imported.commit}
    origin_columns = _origin_columns(imported.origin)
    known = connection.execute(select(revision.c.id).filter_by(**key)).scalar_one_or_none()
    if known is not None:
        if origin_columns:
            connection.execute(update(revision).where(revision.c.id == known).values(origin_columns))
        if imported.inspection.base:  # an adapter's configuration is its base's, which may be another since
            config = dict(imported.inspection.config)
            connection.execute(update(revision).where(revision.c.id == known).values(config=config))
        _update_kinds(connection, int(known), imported.files)
        return int(known)
    values = key | origin_columns | {"config": dict(imported.inspection.config), "created_at": now()}
    revision_id = insert_row(connection, revision, values)
    connection.execute(insert(repo_file), [{"revision_id": revision_id} | _file_row(file) for file in imported.files])
    return revision_id


def _update_kinds(connection: Connection, revision_id: int, files: Iterable[RevisionFile]) -> None:
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
