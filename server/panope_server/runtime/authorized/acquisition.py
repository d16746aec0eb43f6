"""What callers ask to be registered, downloaded and built, as far as their keys go."""

from __future__ import annotations

from collections.abc import Sequence

from panope_backends.errors import PermissionDeniedError
from panope_registry.job_handlers.requests import BuildRequest, DownloadRequest, SyncRequest
from panope_registry.jobs import JobEntry
from panope_registry.models.commits import PublishedFile
from panope_registry.names import shown
from panope_server.access.principal import current_principal
from panope_server.runtime.async_registry.acquire import Acquisition
from panope_server.runtime.async_registry.audit import AuditTrail
from panope_server.runtime.authorized.visibility import Visibility


class AuthorizedAcquisition:
    """Asks for models whose names the caller's key takes."""

    def __init__(self, acquisition: Acquisition, visibility: Visibility, audit: AuditTrail) -> None:
        self._acquisition = acquisition
        self._visibility = visibility
        self._audit = audit

    async def register(self, request: SyncRequest, requested_by: str) -> JobEntry:
        """The job that looks at a model's repo; PermissionDeniedError for a name that the key does not take."""
        with self._audit.recording("models.register", request.model):
            check_taken(request.model, "model")
            if request.base_model:
                self._visibility.check(request.base_model)
            return await self._acquisition.register(request, requested_by)

    async def pull(self, request: DownloadRequest, requested_by: str) -> JobEntry:
        """The job that downloads a model; PermissionDeniedError for a name that the key does not take."""
        with self._audit.recording("models.pull", request.model):
            check_taken(request.model, "model")
            return await self._acquisition.pull(request, requested_by)

    async def build(self, request: BuildRequest, requested_by: str) -> JobEntry:
        """The job that makes another variant of a model; NotFoundError when there is no such model for the caller."""
        with self._audit.recording("models.build", request.model):
            self._visibility.check(request.model)
            return await self._acquisition.build(request, requested_by)

    async def files(self, model: str) -> Sequence[PublishedFile]:
        """The files of the revision that is served; NotFoundError when there is no such model for the caller."""
        self._visibility.check(model)
        return await self._acquisition.files(model)


def check_taken(name: str, field: str) -> None:
    """Refuses to give a name that the caller's key does not take, whether something has it or not.

    Raises:
        PermissionDeniedError: it is one.
    """
    if not current_principal().sees(name):
        raise PermissionDeniedError(
            f"the key may not use the name `{shown(name)}`", reason="model_not_allowed", field=field
        )
