"""Which models the caller of this task may know of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from panope_registry.registry import model_not_found
from panope_server.access.principal import current_principal
from panope_server.runtime.models.directory import ResolvedModel


class Directory(Protocol):
    """Knows which models exist."""

    async def resolve(self, name: str) -> ResolvedModel:
        """The model that a name means; NotFoundError for none."""

    async def default_for(self, task: str) -> str | None:
        """The model of calls that name none; None when there is no such model."""

    def known_models(self, name: str) -> Sequence[str]:
        """The models that a name meant when everything was read last; none for what meant nothing then."""


class Visibility:
    """Tells whether a model may be known of, by its own name or by that of an alias.

    A name that is hidden is not looked up: the answer takes as long as that for a name which nothing has.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def sees(self, name: str) -> bool:
        """Whether the caller may know of what has a name."""
        principal = current_principal()
        if principal.sees(name):
            return True
        known = self._directory.known_models(name)
        return bool(known) and all(map(principal.sees, known))  # a call may get any of an alias's targets

    def check(self, name: str) -> None:
        """Refuses a name that is hidden, with NotFoundError as for one that nothing has."""
        if not self.sees(name):
            raise model_not_found(name)


class AuthorizedDirectory:
    """A directory as the caller may know it."""

    def __init__(self, directory: Directory, visibility: Visibility) -> None:
        self._directory = directory
        self._visibility = visibility

    async def resolve(self, name: str) -> ResolvedModel:
        """The model that a name means; NotFoundError for none that the caller may know of."""
        self._visibility.check(name)
        return await self._directory.resolve(name)

    async def default_for(self, task: str) -> str | None:
        """The model of calls that name none; None when there is no such model for the caller."""
        name = await self._directory.default_for(task)
        return name if name is not None and self._visibility.sees(name) else None
