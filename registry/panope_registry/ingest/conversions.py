"""Variants that were converted from others: found again, and added to the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from panope_registry.ingest.adapters import ADAPTER
from panope_registry.ingest.folder import list_folder
from panope_registry.ingest.importer import add_files
from panope_registry.models import queries, writes
from panope_registry.models.queries import StoredVariant
from panope_registry.models.types import StoreIds, VariantEntry
from panope_registry.models.variant_files import VariantFiles
from panope_registry.retention.space import StoreSpace
from panope_registry.store.manifest import ConversionOrigin, Manifest, ManifestFile
from panope_registry.store.store import Blob, Store
from panope_registry.tables.database import Database


@dataclass(frozen=True)
class ConversionKey:
    """The key that tells the conversions of one source apart.

    Attributes:
        task: of the model that it was converted for.
        format: that was written, such as `openvino`.
        precision: of the weights in it.
        engine_version: of the engine that wrote it.
    """

    task: str
    format: str
    precision: str
    engine_version: str


class Conversions:
    """The conversions of one store.

    Args:
        stores: the id of that store, and of the shared one.
        space: reserves the space that a result takes.
        files: knows the sources.
    """

    def __init__(
        self, database: Database, store: Store, stores: StoreIds, space: StoreSpace, files: VariantFiles
    ) -> None:
        self._database = database
        self._store = store
        self._stores = stores
        self._space = space
        self._files = files

    def find(self, source_digest: str, key: ConversionKey) -> VariantEntry | None:
        """Finds what a source was converted into before; as `Registry.find_conversion`."""
        with self._database.read() as connection:
            return queries.find_conversion(connection, self._stores, source_digest, **asdict(key))

    def add(self, source_digest: str, folder: Path, *, backend: str, key: ConversionKey) -> VariantEntry:
        """Takes a converter's output in; as `Registry.add_conversion`."""
        source = self._files.stored(source_digest)
        outputs = list(list_folder(folder))
        size = sum(file.size_bytes for file in outputs)
        with (
            self._store.staging() as staging,
            self._space.reserve_bytes(size, what="the conversion", keep=[source_digest]) as reservation,
        ):
            blobs = add_files(self._store, outputs, staging, reservation)
            manifest = _manifest(source, blobs, backend, key)
            # Before the staging folder goes, which holds the blobs.
            return self._record(source, blobs, manifest, key)

    def _record(
        self, source: StoredVariant, blobs: Mapping[str, Blob], manifest: Manifest, key: ConversionKey
    ) -> VariantEntry:
        with self._database.change() as connection:
            known = queries.find_conversion(connection, self._stores, source.digest, **asdict(key))
            if known is not None and known.is_local:
                return known
            if known is not None and known.digest != manifest.digest:
                writes.delete_lost_variant(connection, known.digest)
            writes.record_blobs(connection, blobs.values(), self._store.id)
            writes.record_variant(connection, manifest, derived_from_id=source.id)
            added = queries.find_conversion(connection, self._stores, source.digest, **asdict(key))
        assert added is not None
        return added


def _manifest(source: StoredVariant, blobs: Mapping[str, Blob], backend: str, key: ConversionKey) -> Manifest:
    """Makes a conversion's manifest, with the source's configuration and tokenizer where it brings none of its own."""
    files = {file.path: file for file in source.files if file.component not in ("weights", ADAPTER)}
    for path, blob in blobs.items():
        part = files[path].component if path in files else "weights"
        files[path] = ManifestFile(part, path, blob.sha256, blob.size_bytes)
    origin = ConversionOrigin(source.digest, backend, key.engine_version, key.task)
    return Manifest(key.format, key.precision, source.parameter_count, tuple(files.values()), origin)
