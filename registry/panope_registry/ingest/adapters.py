"""Puts an adapter and its base model together: each of its variants has the base's files and the adapter's.

So a variant says by its digest which base is meant, to the byte; downloads, verification, leases, eviction and
conversions treat it as any other, and a base that changes later changes no adapter (docs/decisions/0221).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from sqlalchemy import Connection

from panope_backends.errors import InvalidInputError, NotFoundError, PreconditionError
from panope_backends.lora import FOLDER
from panope_registry.inspect.adapter import AdapterFacts
from panope_registry.inspect.file_kinds import FileKind
from panope_registry.inspect.weights import INDEX
from panope_registry.models import queries
from panope_registry.models.queries import StoredVariant
from panope_registry.models.revision import ImportedRevision
from panope_registry.models.types import ModelEntry, StoreIds
from panope_registry.names import ModelName, parse_model_name, shown
from panope_registry.store.manifest import Manifest, ManifestFile
from panope_registry.store.store import Store

MISSING_BASE, BASE_REVISION = "base_model", "base_revision"
"""Details of `base_model_not_found`: the repo that may be the base, and its revision; absent where none is named."""

ADAPTER = "adapter"
"""The component that is an adapter's files."""

#: An adapter that brings one of them brings its whole tokenizer.
_VOCABULARIES = frozenset({"tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt"})


@dataclass(frozen=True)
class _Base:
    entry: ModelEntry
    variants: tuple[StoredVariant, ...]


def with_base(
    connection: Connection, store: Store, name: ModelName, imported: ImportedRevision, said: str
) -> ImportedRevision:
    """Returns what is to be recorded of a revision: as it is, or for an adapter together with its base model.

    Args:
        connection: to the registry, in the transaction that records.
        store: has the base's weights, where they are here.
        name: of the model that is imported.
        imported: its revision by itself.
        said: the base's name, as the user says; empty for what was said before, or else what the adapter's files or
            its own name, `base:adapter`, say.

    Raises:
        InvalidInputError: the adapter does not fit the base (`adapter_mismatch`), or is none.
        NotFoundError: the base is not registered (`base_model_not_found`).
        PreconditionError: the base's weights are in no form that an adapter can change (`unsupported_base_model`).
    """
    adapter = imported.inspection.adapter
    if adapter is None:
        if said:
            raise InvalidInputError.at("base_model", "{field} is an adapter's, and these are the files of none")
        return imported
    base = _find(connection, store, name, imported, adapter, said)
    for variant in base.variants:
        _check(adapter, variant, store)
    return _together(imported, adapter, base)


def _find(
    connection: Connection, store: Store, name: ModelName, imported: ImportedRevision, adapter: AdapterFacts, said: str
) -> _Base:
    named = _names(connection, name, imported, said)
    if named[:1] == [str(name)]:
        raise PreconditionError(f"`{name}` would need itself as its base model", reason="cyclic_components")
    entries = (queries.find_model(connection, StoreIds(store.id), each) for each in named)
    entry = next((entry for entry in entries if entry is not None), None)
    if entry is None:
        raise _not_found(named, said or imported.inspection.base, adapter)
    return _Base(entry, _adaptable(connection, store, entry, adapter.format))


def _not_found(named: Sequence[str], repo: str, adapter: AdapterFacts) -> NotFoundError:
    """The error for a base that is not registered, with what would have to be."""
    known = ", ".join(f"`{shown(each)}`" for each in named) or "which it does not name"
    first = f"pull `{repo}` first" if repo else "import or pull it first"
    revision = adapter.base_revision if repo == adapter.base else ""
    return NotFoundError(
        f"the adapter's base model is not registered: {known}; {first}, or say by which name it is known here",
        reason="base_model_not_found",
        field="base_model",
        details={MISSING_BASE: repo, BASE_REVISION: revision} if repo else None,
    )


def _names(connection: Connection, name: ModelName, imported: ImportedRevision, said: str) -> Sequence[str]:
    """The names to look for: the one that is said, or else all that could be meant, the likeliest first."""
    if said:
        return [str(parse_model_name(said, "base_model"))]
    before = queries.find_base(connection, str(name))
    return list(dict.fromkeys(filter(None, (before, imported.inspection.base, str(name).rpartition(":")[0]))))


def _adaptable(connection: Connection, store: Store, entry: ModelEntry, wanted: str) -> tuple[StoredVariant, ...]:
    if any(variant.base_models for variant in entry.variants):
        raise PreconditionError(
            f"the base model `{entry.name}` is an adapter itself; merge it into its own base's weights first",
            reason="unsupported_base_model",
            field="base_model",
        )
    digests = [each.digest for each in entry.variants if each.derived_from is None and each.format == wanted]
    if not digests:
        formats = ", ".join(sorted({variant.format for variant in entry.variants}))
        raise PreconditionError(
            f"such an adapter changes weights in {wanted}, and the base model `{entry.name}` has {formats}",
            reason="unsupported_base_model",
            field="base_model",
        )
    found = (queries.find_variant(connection, digest, store.id) for digest in digests)
    return tuple(variant for variant in found if variant is not None)


def _check(adapter: AdapterFacts, variant: StoredVariant, store: Store) -> None:
    """Compares with the headers of the base's weights; what is not here yet is compared when it is loaded."""
    absent = {file.path for file in variant.absent}
    weights = [file for file in variant.files if file.component == FileKind.WEIGHTS.value]
    files = [file for file in weights if file.path.endswith(f".{adapter.format}")]
    if absent.isdisjoint(file.path for file in files):
        adapter.check({file.path: store.blob_path(file.sha256) for file in files})


def _together(imported: ImportedRevision, adapter: AdapterFacts, base: _Base) -> ImportedRevision:
    (own,) = imported.manifests
    entry, inspection = base.entry, imported.inspection
    reasons = dict(inspection.reasons) | {
        "base model": f"it is `{entry.name}`{_otherwise(inspection.base, entry.name)}",
        "architecture": f"its base model's: {entry.reasons.get('architecture', '')}",
    }
    if not inspection.task:
        reasons["task"] = f"its base model's: {entry.reasons.get('task', '')}"
    return replace(
        imported,
        manifests=tuple(_manifest(own, adapter, variant) for variant in base.variants),
        inspection=replace(
            inspection,
            base=entry.name,
            task=inspection.task or entry.task,
            candidates=() if entry.task and not inspection.task else inspection.candidates,
            architecture=entry.architecture,
            config=entry.config,
            reasons=reasons,
        ),
    )


def _otherwise(named: str, base: str) -> str:
    return f"; adapter_config.json calls it `{shown(named)}`" if named not in ("", base) else ""


def _manifest(own: Manifest, adapter: AdapterFacts, base: StoredVariant) -> Manifest:
    """The base's files, the adapter's in a folder beside its weights, and the tokenizer that it was trained with."""
    brought = {file.path: file for file in own.files}
    parts = {name: brought.pop(path) for path, name in adapter.files.items()}
    brought = {path: file for path, file in brought.items() if _is_of_model(path, brought)}
    files = {file.path: file for file in _kept(base, brought)} | brought
    folder = _weights_folder(base) / FOLDER
    for name, part in parts.items():
        path = str(folder / name)
        if path in files:
            raise PreconditionError(
                f"the base model has a file `{path}`, where the adapter's would be", reason="unsupported_base_model"
            )
        files[path] = ManifestFile(ADAPTER, path, part.sha256, part.size_bytes)
    count = base.parameter_count + own.parameter_count if base.parameter_count else 0
    return Manifest(base.format, base.precision, count, tuple(files.values()))


def _is_of_model(path: str, brought: Mapping[str, ManifestFile]) -> bool:
    """Whether a file describes the model, and is not its training's or a copy of the base's configuration."""
    return path not in ("config.json", INDEX) and ("/" not in path or "modules.json" in brought)


def _kept(base: StoredVariant, brought: Mapping[str, ManifestFile]) -> Iterator[ManifestFile]:
    """What stays of the base's files: a tokenizer is replaced as a whole."""
    has_tokenizer = any(PurePosixPath(path).name in _VOCABULARIES for path in brought)
    for file in base.files:
        if not (has_tokenizer and file.component == FileKind.TOKENIZER.value):
            yield file


def _weights_folder(base: StoredVariant) -> PurePosixPath:
    weights = next(file.path for file in base.files if file.component == FileKind.WEIGHTS.value)
    return PurePosixPath(weights).parent
