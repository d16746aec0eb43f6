"""Who a job is of: told when it is accepted, known again when it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from panope_backends.errors import UnauthenticatedError
from panope_registry.access.priority import Priority
from panope_registry.access.scopes import ModelPatterns, Scopes
from panope_server.access.principal import Principal


class Keys(Protocol):
    """Knows whose keys are."""

    async def principal_of_key(self, key_id: str) -> Principal | None:
        """Whose work is done that was accepted with a key; None when that has ended."""


def told(principal: Principal) -> dict[str, Any]:
    """What a job keeps of its caller: a key's id, or what somebody without a key was let in to do."""
    if principal.key_id:
        return {"key_id": principal.key_id}
    return {
        "name": principal.name,
        "scopes": principal.scopes.texts,
        "models": list(principal.models.texts),
        "max_priority": int(principal.max_priority),
    }


async def known_again(caller: Mapping[str, Any], keys: Keys) -> Principal:
    """The caller of a job: with a key, as that stands now; else as it was let in, for a token has ended by now.

    Raises:
        UnauthenticatedError: its key has ended since (`key_ended`).
        AvailabilityError: nobody can tell now.
    """
    if "key_id" not in caller:
        return Principal(
            caller["name"],
            scopes=Scopes.stored(caller["scopes"]),
            models=ModelPatterns(tuple(caller["models"])),
            max_priority=Priority(caller["max_priority"]),
        )
    principal = await keys.principal_of_key(caller["key_id"])
    if principal is None:
        raise UnauthenticatedError("the key with which the job was asked for has ended", reason="key_ended")
    return principal
