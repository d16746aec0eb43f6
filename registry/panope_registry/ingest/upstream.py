"""Makes a revision of a server elsewhere: its one file is the description of the server, its one variant runs there.

Descriptions come from here alone. A repo's file of the same name is a configuration file like any other, so no repo
makes Panope call anybody.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from panope_backends.upstreams.description import FILE, FORMAT, Upstream
from panope_registry.ingest.folder import FolderFile
from panope_registry.ingest.importer import add_files, manifest_of
from panope_registry.inspect.file_kinds import FileKind
from panope_registry.inspect.headers.facts import WeightFacts
from panope_registry.inspect.inspect import Inspection
from panope_registry.inspect.weights import WeightSet
from panope_registry.models.revision import ImportedRevision, RevisionFile
from panope_registry.retention.space import StoreSpace
from panope_registry.store.manifest import listing_digest
from panope_registry.store.store import Store


def upstream_revision(store: Store, staging: Path, space: StoreSpace, upstream: Upstream) -> ImportedRevision:
    """Brings the description into the store.

    Raises:
        CapacityError: it does not fit.
    """
    source = staging / FILE
    source.write_bytes(upstream.to_json())
    listed = FolderFile(FILE, source, source.stat().st_size)
    with space.reserve_bytes(listed.size_bytes, what="the description") as reservation:
        blobs = add_files(store, [listed], staging, reservation)
    kinds = {FILE: FileKind.WEIGHTS}
    found = WeightSet(FORMAT, "", 0, {FILE: FILE}, (FILE,), WeightFacts({}))
    reasons = {
        "task": "the user says so, or the protocol does",
        "format": f"{FORMAT}: a server elsewhere runs it",
        "upstream": upstream.words,
    }
    inspection = Inspection(upstream.task, "", {}, reasons, kinds, (found,))
    # Servers that share the database have no other source of it.
    blob = replace(blobs[FILE], content=upstream.to_json())
    commit = listing_digest([(FILE, listed.size_bytes, blob.sha256)])
    files = (RevisionFile(FILE, FileKind.WEIGHTS, listed.size_bytes, blob),)
    return ImportedRevision(commit, files, inspection, (manifest_of(found, kinds, blobs),))
