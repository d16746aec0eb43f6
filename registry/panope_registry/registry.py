"""The registry, as the server and the command line use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from panope_backends.api import ModelFacts
from panope_backends.errors import InvalidInputError, NotFoundError
from panope_backends.upstreams.description import Upstream
from panope_registry.events import EventSink, no_events
from panope_registry.ingest.conversions import ConversionKey, Conversions
from panope_registry.ingest.folder import FolderFile
from panope_registry.ingest.importer import Progress
from panope_registry.ingest.registration import Registration
from panope_registry.inspect.grants import NO_GRANTS, Grants
from panope_registry.models import queries, writes
from panope_registry.models.quantization import Preferences
from panope_registry.models.types import (
    EVERY_MODEL,
    FileEntry,
    MissingFile,
    ModelEntry,
    ModelFilter,
    RepoFileEntry,
    StoreIds,
    VariantEntry,
)
from panope_registry.models.variant_files import VariantFiles
from panope_registry.names import checked_limit, checked_text, parse_model_name, shown
from panope_registry.retention.space import StoreSpace
from panope_registry.sources.source import Source
from panope_registry.store.store import Blob, Store, VerifyPolicy
from panope_registry.tables.database import Database

__all__ = [
    "FileEntry",
    "MissingFile",
    "ModelEntry",
    "ModelFilter",
    "Registry",
    "RepoFileEntry",
    "VariantEntry",
    "VerifyPolicy",
]


class Registry:
    """Models, and the store of their files. Safe for use by several threads, processes and machines."""

    def __init__(
        self,
        database: Database,
        store: Store,
        space: StoreSpace,
        *,
        verify: VerifyPolicy = VerifyPolicy.CHANGED,
        grants: Grants = NO_GRANTS,
        emit: EventSink = no_events,
        shared_store_id: str = "",
    ) -> None:
        """Stands on parts that others share; `RegistrySession.open` makes all of them.

        Args:
            database: of the registry's tables.
            store: of the models' files.
            space: in that store.
            verify: when files are hashed again before they are used.
            grants: what an admin lets single models do.
            emit: called when a model is let in by a grant (`grant_used`).
            shared_store_id: `RemoteLocation.id` of the shared store; empty when there is none.
        """
        self._database = database
        self._store = store
        self._stores = StoreIds(store.id, shared_store_id)
        self._files = VariantFiles(database, store, self._stores, verify)
        self._registration = Registration(database, store, verify, space, grants, emit)
        self._conversions = Conversions(database, store, self._stores, space, self._files)
        self._grants = grants

    @property
    def store_id(self) -> str:
        """Tells its store from the others that share a database."""
        return self._store.id

    def import_folder(
        self,
        folder: Path,
        name: str,
        progress: Progress | None = None,
        *,
        task_hints: Sequence[str] = (),
        base_model: str = "",
        keep_alive_seconds: float | None = None,
        decoder: str = "",
    ) -> ModelEntry:
        """Copies a model's files into the store and names them.

        A folder that says nothing of itself and holds graphs of another library, such as Piper's or CenterFace, is
        imported with the `panope.json` that describes them, where they are recognised; the folder is left alone.

        All or nothing: a call that fails or is killed leaves the model as it was. The same content again changes
        nothing; other content under the same name becomes a new revision, and that one is served.

        Args:
            folder: with the model's files, or of one model of a Triton model repository.
            name: `vendor/name`.
            progress: called with the bytes done, the bytes in all and the file at hand.
            task_hints: what the model is for, the likeliest first; empty leaves it to what was said before, or else to
                the evidence.
            base_model: of an adapter, the name by which it is known here; empty for the one that was said before, that
                the adapter's files name, or that the name `base:adapter` begins with.
            keep_alive_seconds: for which it stays loaded unused, as of `set_keep_alive`; None leaves what was said
                before.
            decoder: which of the descriptions that fit a graph counts: the name of a model or of a decoder; empty for
                the only one that is certain.

        Raises:
            InvalidInputError: the name or a hint is none, a file is broken, a link leaves the folder, or an adapter
                does not fit its base model.
            NotFoundError: an adapter's base model is not registered.
            PreconditionError: no safe weights, code of its own, an unreadable file, an adapter of a kind that is
                not applied, or a graph that may be several things (`ambiguous_graph`).
            CapacityError: it does not fit, on the disk or in what the store may take.
        """
        self._registration.import_folder(
            folder,
            name,
            progress,
            task_hints=task_hints,
            base_model=base_model,
            preferences=Preferences(keep_alive_seconds=keep_alive_seconds),
            decoder=decoder,
        )
        return self.model(name)

    def import_files(
        self,
        files: Sequence[FolderFile],
        name: str,
        progress: Progress | None = None,
        *,
        task_hints: Sequence[str] = (),
        reasons: Mapping[str, str] | None = None,
    ) -> ModelEntry:
        """Imports files as `import_folder` does, wherever they lie.

        Args:
            files: of the model, as `list_folder` or a scan has found them.
            name: as there.
            progress: as there.
            task_hints: as there.
            reasons: what their place tells of the model, which becomes part of its reasons.
        """
        self._registration.import_files(files, name, progress, task_hints=task_hints, reasons=reasons)
        return self.model(name)

    def register(
        self,
        name: str,
        *,
        revision: str = "main",
        task_hints: Sequence[str] = (),
        preferred_format: str = "",
        preferred_precision: str = "",
        quantization_targets: Sequence[str] = (),
        base_model: str = "",
        keep_alive_seconds: float | None = None,
        source: Source,
    ) -> ModelEntry:
        """Records a model as its source has it now: files, hashes, configuration, task, variants; no weights.

        All or nothing. The same again changes nothing; a branch that moved becomes a new revision, and that one is
        served.

        Args:
            name: `vendor/name`, there and here.
            revision: a branch, tag or commit.
            task_hints: what the model is for, the likeliest first; empty leaves it to what was said before, or else to
                the evidence.
            preferred_format: of variants, such as `onnx`; empty leaves what was preferred before, as for the next two.
            preferred_precision: of variants, such as `int8`.
            quantization_targets: precisions to quantize to once the weights are here; some of `targets.TARGETS`.
            base_model: of an adapter, as of `import_folder`.
            keep_alive_seconds: likewise.
            source: that has the repo.

        Raises:
            InvalidInputError: the name or a hint is none, the listing is unsafe or broken, or a file is, or an adapter
                does not fit its base model.
            NotFoundError: the source has no such repo or revision, or an adapter's base model is not registered.
            PermissionDeniedError: the repo is gated, or the source wants a token.
            AlreadyExistsError: the name belongs to a model from elsewhere.
            PreconditionError: no safe weights, code of its own, no such format or precision, or an adapter of itself.
            DataLossError: a file is not what the listing says.
            AvailabilityError: the source does not answer.
            CapacityError: the disk is full.
        """
        preferences = Preferences(
            preferred_format, preferred_precision, tuple(quantization_targets), keep_alive_seconds
        )
        self._registration.register(
            name, source, revision=revision, task_hints=task_hints, preferences=preferences, base_model=base_model
        )
        return self.model(name)

    def register_upstream(
        self, name: str, upstream: Upstream, *, keep_alive_seconds: float | None = None
    ) -> ModelEntry:
        """Records a model that a server elsewhere runs: one variant, whose file describes the server.

        All or nothing. The same again changes nothing; another description becomes a new revision, and that is served.

        Args:
            name: `vendor/name`, here.
            upstream: where it runs; nobody is called.
            keep_alive_seconds: as of `import_folder`.

        Raises:
            InvalidInputError: the name is none.
            AlreadyExistsError: the name belongs to an alias, or to a model of a hub.
            CapacityError: the disk is full.
        """
        self._registration.register_upstream(name, upstream, Preferences(keep_alive_seconds=keep_alive_seconds))
        return self.model(name)

    def set_keep_alive(self, name: str, seconds: float | None) -> ModelEntry:
        """Records how long a model stays loaded that nobody uses, unless a load or a call says otherwise.

        Args:
            name: `vendor/name`.
            seconds: 0 until a call has ended, negative for ever; None leaves it to the settings again.

        Raises:
            NotFoundError: there is none of that name.
        """
        self.model(name)
        with self._database.change() as connection:
            if not writes.set_keep_alive(connection, name, seconds):
                raise model_not_found(name)  # it was deleted meanwhile
        return self.model(name)

    def files(self, name: str) -> list[RepoFileEntry]:
        """Returns all files of the revision that a model serves, by path; also those that no variant uses.

        Raises:
            NotFoundError: there is none of that name.
        """
        self.model(name)
        with self._database.read() as connection:
            return queries.find_files(connection, name, self._store.id)

    def missing_files(self, variant_digest: str) -> list[MissingFile]:
        """Returns what a download needs to fetch for a variant; empty when nothing is missing, or no source has it.

        Raises:
            NotFoundError: there is no such variant.
        """
        return self._files.missing_files(variant_digest)

    def record_downloaded(self, blobs: Iterable[Blob]) -> None:
        """Makes blobs usable that a download has put into the store, verified."""
        with self._database.change() as connection:
            writes.record_blobs(connection, blobs, self._store.id)

    def record_not_shared(self, sha256: str) -> None:
        """Records that the shared store has a file no more; whoever has it here brings it there again."""
        with self._database.change() as connection:
            writes.record_missing(connection, sha256, self._stores.shared)

    def models(self, only: ModelFilter = EVERY_MODEL, *, after: str = "", limit: int = 100) -> list[ModelEntry]:
        """Models by name, those after `after`; all of them unless a filter says which.

        Raises:
            InvalidInputError: a word of the filter, or `after`, is longer than any, or the limit is negative.
        """
        words = {"task": only.task, "format": only.format, "name_prefix": only.prefix, "after": after}
        for field, word in words.items():
            checked_text(word, field)
        checked_limit(limit)
        with self._database.read() as connection:
            return queries.find_models(connection, self._stores, only=only, after=after, limit=limit)

    def model(self, name: str) -> ModelEntry:
        """Returns one model.

        Raises:
            NotFoundError: there is none of that name.
        """
        try:
            parse_model_name(name)
        except InvalidInputError:
            raise model_not_found(name) from None
        with self._database.read() as connection:
            entry = queries.find_model(connection, self._stores, name)
        if entry is None:
            raise model_not_found(name)
        return entry

    def facts(self, entry: ModelEntry, variant: VariantEntry) -> ModelFacts:
        """Returns what a backend may know of a model's variant before it loads or converts it."""
        grants = self._grants.of(entry.name)
        has_adapter = bool(variant.base_models)  # what is converted has it merged, and needs no base
        return ModelFacts(entry.name, variant.format, entry.task, entry.architecture, entry.config, grants, has_adapter)

    def materialize(self, variant_digest: str) -> Path:
        """Returns the folder of a variant's files, each verified; read-only, and the same for every caller.

        Raises:
            NotFoundError: there is no such variant.
            PreconditionError: a file is still to be downloaded (`not_downloaded`).
            DataLossError: a file is damaged or missing; a damaged one was put away.
        """
        return self._files.check_out(variant_digest)

    def find_conversion(
        self,
        source_digest: str,
        *,
        task: str,
        format: str,  # noqa: A002 - the schema's word
        precision: str,
        engine_version: str,
    ) -> VariantEntry | None:
        """Returns what a variant was converted into for a task before, if it was, by this version of the engine."""
        return self._conversions.find(source_digest, ConversionKey(task, format, precision, engine_version))

    def add_conversion(
        self,
        source_digest: str,
        folder: Path,
        *,
        task: str,
        format: str,  # noqa: A002 - the schema's word
        precision: str,
        backend: str,
        engine_version: str,
    ) -> VariantEntry:
        """Brings a conversion's output into the store, with the source's configuration and tokenizer.

        The first one to arrive is kept; a second conversion of the same source for the same task to the same format and
        precision by the same engine version gets that one. It is a variant of the models of that task alone.

        Args:
            source_digest: of the variant that was converted.
            folder: what the converter wrote.
            task: of the model that it was converted for, which decides what the graph computes.
            format: that it wrote, such as `openvino`.
            precision: of the weights in it.
            backend: whose converter it was.
            engine_version: of that backend's engine.

        Raises:
            NotFoundError: there is no such source.
            InvalidInputError: the folder is empty.
            PreconditionError: another machine has made the same, with other bytes (`conversion_conflict`).
            CapacityError: it does not fit, on the disk or in what the store may take.
        """
        return self._conversions.add(
            source_digest, folder, backend=backend, key=ConversionKey(task, format, precision, engine_version)
        )

    def change_token(self) -> int:
        """Returns a number that changes whenever any process changes a model or a variant; cheap to ask for."""
        return self._database.change_token()


def model_not_found(name: str) -> NotFoundError:
    """For a name that no model has, or that the caller may not know of: both hear the same."""
    return NotFoundError(f"model `{shown(name)}` does not exist", reason="model_not_found", field="model")
