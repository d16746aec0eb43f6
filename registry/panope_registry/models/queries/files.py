"""Queries for the files of repos: those that exist, that are here, and that are missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection, and_, func, select

from panope_registry.models.types import MissingFile, RepoFileEntry
from panope_registry.sources.source import HUB, RemoteFile
from panope_registry.store.store import Blob
from panope_registry.tables.model_tables import (
    blob,
    blob_location,
    model,
    repo,
    repo_file,
    revision,
    variant,
    variant_file,
)

BATCH = 500
"""The values that one statement names; databases have limits."""


def find_files(connection: Connection, name: str, store: str) -> list[RepoFileEntry]:
    """Returns the files of the revision that a model serves, by path."""
    sha256 = func.coalesce(repo_file.c.sha256, repo_file.c.declared_sha256)
    rows = connection.execute(
        select(repo_file, sha256.label("known_sha256"), blob_location.c.state)
        .join(model, model.c.revision_id == repo_file.c.revision_id)
        .outerjoin(blob_location, and_(blob_location.c.sha256 == sha256, blob_location.c.store == store))
        .where(model.c.name == name)
        .order_by(repo_file.c.path)
    )
    return [
        RepoFileEntry(
            row.path,
            row.size_bytes,
            row.known_sha256,
            row.kind,
            row.state == "present",
            row.git_sha1,
            row.hash_source or "",
        )
        for row in rows
    ]


def find_missing(connection: Connection, digest: str, store: str, shared: str = "") -> list[MissingFile]:
    """Returns the files of a variant that a store has not and a hub, or the shared store, has; by path in their repo.

    Every content once, from the repo that was synced last.
    """
    rows = connection.execute(
        select(
            blob.c.sha256,
            blob.c.size_bytes,
            repo_file.c.path,
            repo_file.c.git_sha1,
            repo.c.name,
            revision.c.commit,
        )
        .select_from(variant_file)
        .join(variant, variant.c.id == variant_file.c.variant_id)
        .join(blob, blob.c.sha256 == variant_file.c.sha256)
        .join(repo_file, repo_file.c.sha256 == blob.c.sha256)
        .join(revision, revision.c.id == repo_file.c.revision_id)
        .join(repo, repo.c.id == revision.c.repo_id)
        .outerjoin(blob_location, and_(blob_location.c.sha256 == blob.c.sha256, blob_location.c.store == store))
        .where(
            variant.c.digest == digest,
            repo.c.source == HUB,
            func.coalesce(blob_location.c.state, "") != "present",
        )
        .order_by(repo.c.synced_at, revision.c.id, repo_file.c.path)
    )
    missing = {
        row.sha256: MissingFile(row.path, row.sha256, row.git_sha1, row.size_bytes, row.name, row.commit)
        for row in rows
    }
    for file in _only_shared(connection, digest, store, shared):
        missing.setdefault(file.sha256, file)
    return sorted(missing.values(), key=lambda file: (file.repo, file.path))


def find_sources(connection: Connection, sha256s: Sequence[str], shared: str) -> set[str]:
    """Returns the sha256s that a hub or the shared store has."""
    sources: set[str] = set()
    for batch in _batches(sha256s):
        listed = (
            select(repo_file.c.sha256)
            .join(revision, revision.c.id == repo_file.c.revision_id)
            .join(repo, repo.c.id == revision.c.repo_id)
            .where(repo_file.c.sha256.in_(batch), repo.c.source == HUB)
        )
        there = select(blob_location.c.sha256).where(
            blob_location.c.sha256.in_(batch), blob_location.c.store == shared, blob_location.c.state == "present"
        )
        sources.update(connection.execute(listed.union(there)).scalars())
    return sources


def _only_shared(connection: Connection, digest: str, store: str, shared: str) -> Iterator[MissingFile]:
    """Returns the files of a variant that a store has not and the shared store has."""
    here = and_(blob_location.c.sha256 == blob.c.sha256, blob_location.c.store == store)
    there = blob_location.alias("there")
    rows = connection.execute(
        select(variant_file.c.path, blob.c.sha256, blob.c.size_bytes)
        .join(variant, variant.c.id == variant_file.c.variant_id)
        .join(blob, blob.c.sha256 == variant_file.c.sha256)
        .join(there, and_(there.c.sha256 == blob.c.sha256, there.c.store == shared, there.c.state == "present"))
        .outerjoin(blob_location, here)
        .where(variant.c.digest == digest, func.coalesce(blob_location.c.state, "") != "present")
        .order_by(variant_file.c.path)
    )
    return (MissingFile(row.path, row.sha256, None, row.size_bytes, "", "") for row in rows)


def find_local(connection: Connection, files: Iterable[RemoteFile], store: str) -> dict[str, Blob]:
    """Finds path -> blob of the listed files that a store has: by sha256, or by git's hash of what came before."""
    by_sha256: dict[str, list[str]] = {}
    by_git: dict[str, list[str]] = {}
    for file in files:
        if file.sha256 is not None:
            by_sha256.setdefault(file.sha256, []).append(file.path)
        elif file.git_sha1 is not None:
            by_git.setdefault(file.git_sha1, []).append(file.path)
    local = {
        path: _blob for key, _blob in _present(connection, list(by_sha256), store).items() for path in by_sha256[key]
    }
    for hashes in _batches(list(by_git)):
        rows = connection.execute(
            select(repo_file.c.git_sha1, repo_file.c.sha256)
            .where(
                repo_file.c.git_sha1.in_(hashes),
                repo_file.c.declared_sha256.is_(None),
                repo_file.c.sha256.is_not(None),
            )
            .distinct()
        ).all()
        present = _present(connection, [row.sha256 for row in rows], store)
        for row in rows:
            if row.sha256 in present:
                local |= dict.fromkeys(by_git[row.git_sha1], present[row.sha256])
    return local


def _present(connection: Connection, hashes: Sequence[str], store: str) -> dict[str, Blob]:
    """Finds sha256 -> blob of those that a store has."""
    present: dict[str, Blob] = {}
    for batch in _batches(hashes):
        rows = connection.execute(
            select(blob.c.sha256, blob.c.size_bytes, blob_location.c.fingerprint)
            .join(blob_location, blob_location.c.sha256 == blob.c.sha256)
            .where(blob.c.sha256.in_(batch), blob_location.c.store == store, blob_location.c.state == "present")
        )
        present |= {row.sha256: Blob(row.sha256, row.size_bytes, row.fingerprint) for row in rows}
    return present


def _batches(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[start : start + BATCH] for start in range(0, len(values), BATCH))
