"""Registers models: from folders with their files, and from sources as records of files to download."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.upstreams.description import Upstream
from panope_registry.events import EventSink
from panope_registry.ingest.adapters import with_base
from panope_registry.ingest.code_repos import with_code
from panope_registry.ingest.describe.describe import describe
from panope_registry.ingest.folder import FolderFile, has_model_file, list_folder
from panope_registry.ingest.importer import Progress, ingest_files
from panope_registry.ingest.sync import sync_repo
from panope_registry.ingest.upstream import upstream_revision
from panope_registry.inspect.grants import Grants
from panope_registry.inspect.inspect import Evidence, no_weights
from panope_registry.models import queries, writes
from panope_registry.models.quantization import NO_PREFERENCES, Preferences, check_targets
from panope_registry.models.revision import ImportedRevision
from panope_registry.names import parse_model_name
from panope_registry.retention.space import StoreSpace
from panope_registry.sources.source import Source
from panope_registry.store.store import Blob, BlobError, Store, VerifyPolicy
from panope_registry.tables.database import Database


class Registration:
    """Registers models whose files are, or will be, in one store.

    Args:
        verify: when files that are here already are hashed again.
        space: reserves the space that imported files take.
        grants: what an admin lets single models do.
        emit: takes the event of a model that a grant let in (`grant_used`).
    """

    def __init__(
        self, database: Database, store: Store, verify: VerifyPolicy, space: StoreSpace, grants: Grants, emit: EventSink
    ) -> None:
        self._database = database
        self._store = store
        self._verify = verify
        self._space = space
        self._grants = grants
        self._emit = emit

    def import_folder(
        self,
        folder: Path,
        name: str,
        progress: Progress | None = None,
        *,
        task_hints: Sequence[str] = (),
        base_model: str = "",
        preferences: Preferences = NO_PREFERENCES,
        decoder: str = "",
    ) -> None:
        """Copies a model's files into the store and names them; as `Registry.import_folder`."""
        from panope_registry.ingest.discovery.triton import (
            triton_model,  # it brings protobuf, which listing does not need
        )

        parse_model_name(name)
        triton = triton_model(folder, name, self._grants)
        if triton is None:
            with tempfile.TemporaryDirectory(prefix="panope-import-") as scratch:
                files, reasons = describe(_model_files(folder), Path(scratch), task_hints, decoder)
                self.import_files(
                    files,
                    name,
                    progress,
                    task_hints=task_hints,
                    reasons=reasons,
                    base_model=base_model,
                    preferences=preferences,
                )
            return
        if triton.problem:
            raise PreconditionError(
                f"Triton's model cannot be imported: {triton.problem}", reason=triton.problem_reason
            )
        self.import_files(
            triton.files,
            name,
            progress,
            task_hints=task_hints,
            reasons=triton.reasons,
            base_model=base_model,
            preferences=preferences,
        )

    def import_files(
        self,
        files: Sequence[FolderFile],
        name: str,
        progress: Progress | None = None,
        *,
        task_hints: Sequence[str] = (),
        reasons: Mapping[str, str] | None = None,
        base_model: str = "",
        preferences: Preferences = NO_PREFERENCES,
    ) -> None:
        """Imports files that lie anywhere; as `Registry.import_files`."""
        parsed = parse_model_name(name)
        evidence = Evidence(self._hints(name, task_hints), grants=self._grants.of(name), reasons=reasons or {})
        with self._store.staging() as staging:
            imported = ingest_files(self._store, files, staging, self._space, progress, evidence)
            with self._database.change() as connection:  # before the staging folder goes, which holds the blobs
                whole = with_base(connection, self._store, parsed, imported, base_model)
                whole = with_code(connection, self._store, whole, self._grants)
                writes.record_import(connection, parsed, replace(whole, preferences=preferences), self._store.id)
        self._emit_grants(name, imported)

    def register_upstream(self, name: str, upstream: Upstream, preferences: Preferences = NO_PREFERENCES) -> None:
        """Records a model that a server elsewhere runs; as `Registry.register_upstream`."""
        parsed = parse_model_name(name)
        with self._store.staging() as staging:
            made = upstream_revision(self._store, staging, self._space, upstream)
            with self._database.change() as connection:  # before the staging folder goes, which holds the blob
                writes.record_import(connection, parsed, replace(made, preferences=preferences), self._store.id)

    def register(
        self,
        name: str,
        source: Source,
        *,
        revision: str,
        task_hints: Sequence[str],
        preferences: Preferences,
        base_model: str = "",
    ) -> None:
        """Records a model as its source has it now; as `Registry.register`."""
        parsed = parse_model_name(name)
        check_targets(preferences.quantization_targets)
        remote = source.resolve(name, revision)
        hints = self._hints(name, task_hints)
        with self._database.read() as connection:
            known = queries.find_local(connection, remote.files, self._store.id)
        with self._store.staging() as staging:
            here = {path: blob for path, blob in known.items() if self._is_intact(blob, staging)}
            synced = sync_repo(
                source,
                self._store,
                staging,
                remote,
                here=here,
                task_hints=hints,
                grants=self._grants.of(name),
                preferences=preferences,
            )
            with self._database.change() as connection:  # before the staging folder goes, which holds the blobs
                whole = with_base(connection, self._store, parsed, synced, base_model)
                whole = with_code(connection, self._store, whole, self._grants)
                writes.record_import(connection, parsed, whole, self._store.id)
        self._emit_grants(name, synced)

    def _hints(self, name: str, task_hints: Sequence[str]) -> tuple[str, ...]:
        """Returns what the model is for: as is said now, or else as was said before."""
        if task_hints:
            return tuple(task_hints)
        with self._database.read() as connection:
            return queries.find_hints(connection, name)

    def _emit_grants(self, name: str, imported: ImportedRevision) -> None:
        """Emits, for the admins, which setting let the model in."""
        for grant in imported.inspection.used_grants:
            self._emit("grant_used", {"model": name, "setting": grant, "revision": imported.commit})

    def _is_intact(self, blob: Blob, staging: Path) -> bool:
        """Returns whether a blob is here; holds it until it is recorded."""
        self._store.hold(blob.sha256, staging)
        try:
            self._store.verify(blob.sha256, blob.size_bytes, blob.fingerprint, self._verify)
        except BlobError:
            return False
        return True


def _model_files(folder: Path) -> Sequence[FolderFile]:
    """Returns the files of a model's folder; of another one says that it is none, whatever is wrong with its files."""
    try:
        return list_folder(folder)
    except (InvalidInputError, PreconditionError) as error:
        if error.reason == "empty_folder" or _may_be_model(folder):
            raise
        raise no_weights() from None


def _may_be_model(folder: Path) -> bool:
    """Returns whether a model's file lies in the folder; True where that cannot be seen."""
    try:
        with os.scandir(folder) as entries:
            return has_model_file(entries)
    except OSError:
        return True
