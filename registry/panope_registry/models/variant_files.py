"""The files of variants in one store: found, verified and laid out for whoever loads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from panope_backends.errors import DataLossError, NotFoundError, PreconditionError
from panope_backends.upstreams.description import FORMAT as UPSTREAM
from panope_registry.models import queries, writes
from panope_registry.models.queries import StoredVariant
from panope_registry.models.types import MissingFile, StoreIds
from panope_registry.names import shown
from panope_registry.store.checkout import check_out
from panope_registry.store.files import disk_errors
from panope_registry.store.store import BlobError, Store, VerifyPolicy
from panope_registry.tables.database import Database


class VariantFiles:
    """Answers for one store.

    Args:
        stores: the id of that store, and of the shared one.
        verify: when a file is hashed again before it is used.
    """

    def __init__(self, database: Database, store: Store, stores: StoreIds, verify: VerifyPolicy) -> None:
        self._database = database
        self._store = store
        self._stores = stores
        self._verify = verify

    def stored(self, digest: str) -> StoredVariant:
        """Returns a variant, with what the store knows of its blobs.

        Raises:
            NotFoundError: there is no such variant.
        """
        with self._database.read() as connection:
            found = queries.find_variant(connection, digest, self._store.id)
        if found is None:
            raise variant_not_found()
        return found

    def missing_files(self, digest: str) -> list[MissingFile]:
        """Returns what a download needs to fetch; as `Registry.missing_files`."""
        self.stored(digest)
        with self._database.read() as connection:
            return queries.find_missing(connection, digest, self._store.id, self._stores.shared)

    def check_out(self, digest: str) -> Path:
        """Returns the folder of a variant's verified files; as `Registry.materialize`."""
        variant = self.stored(digest)
        if any(file.sha256 in variant.contents for file in variant.absent):
            self._restore(variant)
            variant = self.stored(digest)
        if variant.absent and (wanted := self.missing_files(digest)):
            raise _not_downloaded(wanted)
        hashed = self._verified(variant)
        if hashed:
            with self._database.write() as connection:
                writes.record_hashed(connection, hashed, self._store.id)
        with disk_errors("the model's folder"):
            folder = check_out(self._store, digest, variant.files)
        self._tell_others(variant, folder)
        return folder

    def _restore(self, variant: StoredVariant) -> None:
        """Brings the small files here whose contents the database has."""
        with disk_errors("a file of the model"), self._store.staging() as staging:
            blobs = []
            for file in variant.absent:
                if (content := variant.contents.get(file.sha256)) is not None:
                    source = staging / "content"
                    source.write_bytes(content)
                    blobs.append(self._store.add(source, staging))
            with self._database.write() as connection:  # before the staging folder goes, which holds the blobs
                writes.record_blobs(connection, blobs, self._store.id)

    def _tell_others(self, variant: StoredVariant, folder: Path) -> None:
        """Gives the database what it lacks of a description of a server elsewhere, as earlier versions made them."""
        if variant.format != UPSTREAM or len(variant.contents) == len(variant.files):
            return
        with self._database.write() as connection:
            for file in variant.files:
                writes.record_content(connection, file.sha256, (folder / file.path).read_bytes())

    def _verified(self, variant: StoredVariant) -> Mapping[str, str]:
        """sha256 -> fingerprint of the blobs that had to be hashed."""
        hashed: dict[str, str] = {}
        for file in variant.files:
            known = hashed.get(file.sha256) or variant.fingerprints.get(file.sha256, "")
            try:
                fingerprint = self._store.verify(file.sha256, file.size_bytes, known, self._verify)
            except BlobError as error:
                raise self._lost(file.path, error) from None
            if fingerprint is not None:
                hashed[file.sha256] = fingerprint
        return hashed

    def _lost(self, path: str, error: BlobError) -> DataLossError:
        if error.missing:
            # No change for those who follow: they would try again, find it missing again, and so on.
            with self._database.write() as connection:
                writes.record_missing(connection, error.sha256, self._store.id)
        else:
            with self._database.change() as connection:
                writes.record_damaged(connection, error.sha256, self._store.id)
        what = "is missing from the store" if error.missing else "is damaged: its bytes do not match their sha256"
        return DataLossError(f"file `{shown(path)}` of this model {what}; import or pull the model again")


def variant_not_found() -> NotFoundError:
    """Returns the error for a digest that names no variant."""
    return NotFoundError("there is no such variant", reason="variant_not_found")


def _not_downloaded(wanted: Sequence[MissingFile]) -> PreconditionError:
    size = sum(file.size_bytes for file in wanted)
    return PreconditionError(
        f"{len(wanted)} files of this model ({size} bytes) are not here; download them first",
        reason="not_downloaded",
    )
