"""Puts the code of other repos that a model asks for into its variants (docs/decisions/0226).

So a variant says by its digest which code is meant, to the byte; what becomes of the other repo later changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from sqlalchemy import Connection

from panope_backends.errors import InvalidInputError, NotFoundError, PreconditionError
from panope_backends.model_facts.code_repos import folder_of
from panope_registry.inspect.custom_code import CodeRequest
from panope_registry.inspect.embeddable import RUN_BY_TRANSFORMERS
from panope_registry.inspect.file_kinds import FileKind
from panope_registry.inspect.grants import REMOTE_CODE, Grants
from panope_registry.models import queries
from panope_registry.models.revision import ImportedRevision
from panope_registry.models.types import StoreIds
from panope_registry.names import parse_model_name, shown
from panope_registry.store.manifest import Manifest, ManifestFile
from panope_registry.store.store import Store

_CODE = FileKind.GRANTED_CODE.value


def with_code(connection: Connection, store: Store, imported: ImportedRevision, grants: Grants) -> ImportedRevision:
    """Returns what is to be recorded of a revision: as it is, or with the code of other repos that it asks for.

    Args:
        connection: to the registry, in the transaction that records.
        store: tells what is here.
        imported: the revision by itself; its model may run code.
        grants: of all models.

    Raises:
        NotFoundError: another repo is not registered (`code_repo_not_found`).
        PreconditionError: it is, without the code that is asked for.
    """
    brought: dict[str, ManifestFile] = {}
    for request in imported.inspection.code_elsewhere:
        place = PurePosixPath(request.file).parent / folder_of(request.repo)
        for path, file in _code_of(connection, store, request, grants).items():
            brought[str(place / path)] = file
    if not brought:
        return imported
    manifests = tuple(_with(manifest, brought) for manifest in imported.manifests)
    repos = ", ".join(sorted({request.repo for request in imported.inspection.code_elsewhere}))
    reasons = {**imported.inspection.reasons, "code": f"it is that of {repos} as it is registered here"}
    return replace(imported, manifests=manifests, inspection=replace(imported.inspection, reasons=reasons))


def _with(manifest: Manifest, brought: Mapping[str, ManifestFile]) -> Manifest:
    """A graph holds its computing itself."""
    if manifest.format not in RUN_BY_TRANSFORMERS:
        return manifest
    there = {file.path for file in manifest.files}
    if taken := sorted(there & brought.keys()):
        raise PreconditionError(f"the model has a file `{taken[0]}`, where the code of another repo would be")
    added = (ManifestFile(_CODE, path, file.sha256, file.size_bytes) for path, file in brought.items())
    return replace(manifest, files=(*manifest.files, *added))


def _code_of(connection: Connection, store: Store, request: CodeRequest, grants: Grants) -> dict[str, ManifestFile]:
    """The Python files of the repo that a request names, at its root and below."""
    told = f"`{request.file}` asks for code from the repo `{shown(request.repo)}` (`auto_map`)"
    repo = shown(request.repo)
    way_out = f"pull or import `{repo}` under that name first"
    if REMOTE_CODE not in grants.of(request.repo):
        way_out = f"let the setting `grants.remote_code` list `{repo}` too, and {way_out}"
    try:
        name = str(parse_model_name(request.repo))
    except InvalidInputError:
        raise PreconditionError(f"{told}, which is no model's name", reason="remote_code") from None
    entry = queries.find_model(connection, StoreIds(store.id), name)
    if entry is None:
        raise NotFoundError(f"{told}, which is not registered here; {way_out}", reason="code_repo_not_found")
    variants = [queries.find_variant(connection, each.digest, store.id) for each in entry.variants]
    files = {
        file.path: file
        for each in variants
        if each is not None
        for file in each.files
        if file.component == _CODE and not file.path.startswith(str(folder_of("")))
    }
    if request.module_file not in files:
        raise PreconditionError(
            f"{told}, which is registered here without `{shown(request.module_file)}`; {way_out}",
            reason="code_repo_not_found",
        )
    return files
