"""Registers and pulls models: asks for jobs, and tells which files a model has."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from panope_registry.job_handlers.requests import (
    BuildRequest,
    DownloadRequest,
    SyncRequest,
    enqueue_build,
    enqueue_pull,
    enqueue_sync,
)
from panope_registry.jobs import JobEntry, Jobs
from panope_registry.models.commits import PublishedFile
from panope_registry.models.published_files import PublishedFiles
from panope_server.runtime.registry_calls.threads import call_registry


class Acquisition:
    """What callers ask of the registry beside models that are here.

    Args:
        jobs: where work is asked for.
        serving: tells of files.
        find: raises NotFoundError for a model that is not registered.
        store: the id of this server's store, which pulls download to.
        check_vendor: raises PermissionDeniedError for a model of a vendor that the settings do not allow.
    """

    def __init__(
        self,
        jobs: Jobs,
        serving: PublishedFiles,
        find: Callable[[str], object],
        store: str | None,
        check_vendor: Callable[[str], None],
    ) -> None:
        self._jobs = jobs
        self._serving = serving
        self._find = find
        self._store = store
        self._check_vendor = check_vendor

    async def register(self, request: SyncRequest, requested_by: str) -> JobEntry:
        """The job that looks at a model's repo."""
        self._check_vendor(request.model)
        return await call_registry(enqueue_sync, self._jobs, request, requested_by)

    async def pull(self, request: DownloadRequest, requested_by: str) -> JobEntry:
        """The job that downloads a model, after the one that looks at its repo."""
        self._check_vendor(request.model)
        return await call_registry(enqueue_pull, self._jobs, request, requested_by, store=self._store)

    async def build(self, request: BuildRequest, requested_by: str) -> JobEntry:
        """The job that makes another variant of a model; NotFoundError when there is no such model."""
        await call_registry(self._find, request.model)
        return await call_registry(enqueue_build, self._jobs, request, requested_by, store=self._store)

    async def files(self, model: str) -> Sequence[PublishedFile]:
        """The files of the revision that is served."""
        return (await call_registry(self._serving.revision, model)).files
