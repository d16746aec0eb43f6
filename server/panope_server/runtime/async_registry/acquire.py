"""Registers and pulls models: asks for jobs, and tells which files a model has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from panope_backends.api import Conversion
from panope_registry.job_handlers.conversion_plan import refuse_impossible_build
from panope_registry.job_handlers.requests import (
    BuildRequest,
    DownloadRequest,
    SyncRequest,
    check_build,
    enqueue_build,
    enqueue_pull,
    enqueue_sync,
    upstream_of,
)
from panope_registry.jobs import JobEntry, Jobs
from panope_registry.models.commits import PublishedFile
from panope_registry.models.published_files import PublishedFiles
from panope_registry.models.types import ModelEntry
from panope_server.runtime.async_registry.threads import call_registry

Conversions = Mapping[str, Sequence[Conversion]]
"""By backend, what it makes of models."""


class Acquisition:
    """What callers ask of the registry beside models that are here.

    Args:
        jobs: where work is asked for.
        serving: tells of files.
        find: returns a model; raises NotFoundError for one that is not registered.
        store: the id of this server's store, which pulls download to.
        check_vendor: raises PermissionDeniedError for a model of a vendor that the settings do not allow.
        check_host: raises PreconditionError for an address whose host they do not allow.
        conversions: tells what the workers of this server make; None when it has none, so that others decide.
    """

    def __init__(
        self,
        jobs: Jobs,
        serving: PublishedFiles,
        find: Callable[[str], ModelEntry],
        store: str | None,
        check_vendor: Callable[[str], None],
        check_host: Callable[[str], None],
        conversions: Callable[[], Awaitable[Conversions]] | None = None,
    ) -> None:
        self._jobs = jobs
        self._serving = serving
        self._find = find
        self._store = store
        self._check_vendor = check_vendor
        self._check_host = check_host
        self._conversions = conversions

    async def register(self, request: SyncRequest, requested_by: str) -> JobEntry:
        """The job that looks at a model's repo, or records the server elsewhere that runs it."""
        self._check_vendor(request.model)
        if request.upstream:
            self._check_host(upstream_of(request).url)
        return await call_registry(enqueue_sync, self._jobs, request, requested_by, store=self._store)

    async def pull(self, request: DownloadRequest, requested_by: str) -> JobEntry:
        """The job that downloads a model, after the one that looks at its repo."""
        self._check_vendor(request.model)
        return await call_registry(enqueue_pull, self._jobs, request, requested_by, store=self._store)

    async def build(self, request: BuildRequest, requested_by: str) -> JobEntry:
        """The job that makes another variant of a model.

        Raises:
            NotFoundError: there is no such model.
            InvalidInputError: a field cannot be honoured.
            PreconditionError: no conversion makes this of the model; it tells what can be made.
        """
        entry = await call_registry(self._find, request.model)
        check_build(request)
        if self._conversions is not None:
            refuse_impossible_build(entry, request, await self._conversions())
        return await call_registry(enqueue_build, self._jobs, request, requested_by, store=self._store)

    async def files(self, model: str) -> Sequence[PublishedFile]:
        """The files of the revision that is served."""
        return (await call_registry(self._serving.revision, model)).files
