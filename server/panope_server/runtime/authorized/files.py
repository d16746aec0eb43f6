"""The store's files as callers may fetch them; called in threads, which know the caller too."""

from __future__ import annotations

from collections.abc import Sequence

from panope_registry.models.commits import PublishedRevision
from panope_registry.models.published_files import PublishedFiles, ServedBlob, file_not_found, repo_not_found
from panope_server.access.principal import current_principal
from panope_server.runtime.authorized.visibility import Visibility


class AuthorizedFiles:
    """The files of models that the caller sees."""

    def __init__(self, files: PublishedFiles, visibility: Visibility) -> None:
        self._files = files
        self._visibility = visibility

    def revision(self, name: str, wanted: str = "main") -> PublishedRevision:
        """A model's files at one commit; NotFoundError when there is none for the caller."""
        self._check(name)
        return self._files.revision(name, wanted)

    def history(self, name: str, wanted: str = "main") -> Sequence[PublishedRevision]:
        """That commit and the older ones, the newest first, without their files."""
        self._check(name)
        return self._files.history(name, wanted)

    def models(self, search: str = "", vendor: str = "") -> Sequence[PublishedRevision]:
        """The models with files here, by name, without their files."""
        principal = current_principal()
        return [found for found in self._files.models(search, vendor) if principal.sees(found.name)]

    def blob(self, sha256: str) -> ServedBlob:
        """Verified bytes; NotFoundError when they are not here, or of no model that the caller sees."""
        principal = current_principal()
        if not principal.models.are_all and not any(map(principal.sees, self._files.models_with(sha256))):
            raise file_not_found()
        return self._files.blob(sha256)

    def _check(self, name: str) -> None:
        if not self._visibility.sees(name):
            raise repo_not_found(name)
