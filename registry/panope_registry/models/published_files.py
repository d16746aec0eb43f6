"""What the registry gives to other programs: models, their files by name and revision, and verified blobs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row, Select, and_, select

from panope_backends.errors import DataLossError, InvalidInputError, NotFoundError
from panope_registry.models import aliases, writes
from panope_registry.models.commits import (
    COMMIT_LENGTH,
    PublishedFile,
    PublishedRevision,
    described,
    formats_of,
    revisions,
)
from panope_registry.names import parse_model_name, shown
from panope_registry.store.store import BlobError, Store, VerifyPolicy
from panope_registry.tables.database import Database
from panope_registry.tables.model_tables import blob, blob_location, model, repo_file, revision

#: The revision that a model serves, whose repo may have others.
_served = revision.alias("served")

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ServedBlob:
    """Verified bytes and where they are."""

    sha256: str
    size_bytes: int
    path: Path


class PublishedFiles:
    """Answers for the store of one machine. Safe for use by several threads."""

    def __init__(self, database: Database, store: Store, verify: VerifyPolicy = VerifyPolicy.CHANGED) -> None:
        self._database = database
        self._store = store
        self._verify = verify

    def revision(self, name: str, wanted: str = "main") -> PublishedRevision:
        """Returns a revision of a model, or of an alias's model: the one served, or that of a commit or branch.

        Raises:
            NotFoundError: `repo_not_found` or `revision_not_found`.
        """
        try:
            parse_model_name(name)
        except InvalidInputError:
            raise repo_not_found(name) from None
        with self._database.read() as connection:
            name = aliases.find_model(connection, name) or name
            rows = connection.execute(revisions(name)).all()
            if not rows:
                raise repo_not_found(name)
            found = next((row for row in rows if _answers_to(row, wanted)), None)
            if found is None:
                raise NotFoundError("the model has no such revision", reason="revision_not_found", field="revision")
            files = connection.execute(self._files_of(found.id)).all()
            formats = formats_of(connection, [name])[name]
        served = (
            PublishedFile(row.path, row.kind, row.size_bytes, row.sha256 or "", row.location_id is not None)
            for row in files
        )
        return described(found, formats, tuple(served))

    def history(self, name: str, wanted: str = "main") -> tuple[PublishedRevision, ...]:
        """Returns a revision and the older ones that are known here, the newest first, without their files.

        Raises:
            NotFoundError: as `revision`.
        """
        newest = self.revision(name, wanted)
        with self._database.read() as connection:
            rows = connection.execute(revisions(name)).all()
        served = [described(row, (), ()) for row in rows]
        return tuple(served[next(i for i, other in enumerate(served) if other.commit == newest.commit) :])

    def models(self, search: str = "", vendor: str = "") -> tuple[PublishedRevision, ...]:
        """Returns the models with files in this store, by name, at the revision that is served, without their files.

        Args:
            search: a part of the name, in any case; empty for every model.
            vendor: the first part of the name; empty for all.
        """
        here = and_(blob_location.c.sha256 == repo_file.c.sha256, blob_location.c.store == self._store.id)
        some = (
            select(repo_file.c.id)
            .join(blob_location, here)
            .where(repo_file.c.revision_id == revision.c.id, blob_location.c.state == "present")
        )
        question = revisions().where(revision.c.id == model.c.revision_id, some.exists())
        if search:
            question = question.where(model.c.name.icontains(search, autoescape=True))
        if vendor:
            question = question.where(model.c.name.startswith(f"{vendor}/", autoescape=True))
        with self._database.read() as connection:
            rows = connection.execute(question.order_by(None).order_by(model.c.name)).all()
            formats = formats_of(connection, [row.name for row in rows])
        return tuple(described(row, formats[row.name], ()) for row in rows)

    def blob(self, sha256: str) -> ServedBlob:
        """Returns the bytes of that sha256, verified.

        Raises:
            NotFoundError: they are not in this store.
            DataLossError: they are damaged; they were put away.
        """
        if not _SHA256.fullmatch(sha256):
            raise file_not_found()
        here = and_(
            blob_location.c.sha256 == blob.c.sha256,
            blob_location.c.store == self._store.id,
            blob_location.c.state == "present",
        )
        with self._database.read() as connection:
            row = connection.execute(
                select(blob.c.size_bytes, blob_location.c.fingerprint)
                .join(blob_location, here)
                .where(blob.c.sha256 == sha256)
            ).one_or_none()
        if row is None:
            raise file_not_found()
        try:
            hashed = self._store.verify(sha256, row.size_bytes, row.fingerprint, self._verify)
        except BlobError as error:
            raise self._lost(error) from None
        if hashed is not None:
            with self._database.write() as connection:
                writes.record_hashed(connection, {sha256: hashed}, self._store.id)
        return ServedBlob(sha256, row.size_bytes, self._store.blob_path(sha256))

    def models_with(self, sha256: str) -> tuple[str, ...]:
        """Returns the models of which some revision that is known here has a file of that sha256, by name."""
        question = (
            select(model.c.name)
            .join(_served, _served.c.id == model.c.revision_id)
            .join(revision, revision.c.repo_id == _served.c.repo_id)
            .join(repo_file, repo_file.c.revision_id == revision.c.id)
            .where(repo_file.c.sha256 == sha256)
            .distinct()
            .order_by(model.c.name)
        )
        with self._database.read() as connection:
            return tuple(connection.execute(question).scalars())

    def _files_of(self, revision_id: int) -> Select[Any]:
        here = and_(
            blob_location.c.sha256 == repo_file.c.sha256,
            blob_location.c.store == self._store.id,
            blob_location.c.state == "present",
        )
        return (
            select(
                repo_file.c.path,
                repo_file.c.kind,
                repo_file.c.size_bytes,
                repo_file.c.sha256,
                blob_location.c.id.label("location_id"),
            )
            .outerjoin(blob_location, here)
            .where(repo_file.c.revision_id == revision_id)
            .order_by(repo_file.c.path)
        )

    def _lost(self, error: BlobError) -> NotFoundError | DataLossError:
        if error.missing:
            return file_not_found()
        with self._database.change() as connection:
            writes.record_damaged(connection, error.sha256, self._store.id)
        return DataLossError("the file is damaged: its bytes do not match their sha256")


def _answers_to(row: Row[Any], wanted: str) -> bool:
    served, name = row.id == row.served_id, wanted.removeprefix("refs/heads/")
    if name == "main" or wanted == "HEAD":
        return bool(served)
    return wanted in (row.commit, row.commit[:COMMIT_LENGTH]) or (bool(served) and row.ref == name)


def repo_not_found(name: str) -> NotFoundError:
    """For a name that no model has, or that the caller may not know of: both hear the same."""
    return NotFoundError(f"model `{shown(name)}` does not exist", reason="repo_not_found", field="model")


def file_not_found() -> NotFoundError:
    """For a file that is not here, or that the caller may not know of."""
    return NotFoundError("there is no such file in the store", reason="entry_not_found")
