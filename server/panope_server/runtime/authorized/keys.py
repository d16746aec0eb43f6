"""API keys as their callers may see and change them: those that may do no more than the caller's own.

Otherwise whoever may make keys could make one that may everything, or take over such a one by a new secret.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

from panope_backends.errors import PermissionDeniedError, PreconditionError
from panope_registry.access.key_types import IssuedKey, KeyEntry, KeySpec
from panope_registry.access.keys import ApiKeys, key_not_found
from panope_registry.access.pepper import Peppers
from panope_server.access.principal import current_principal
from panope_server.runtime.async_registry.audit import AuditTrail
from panope_server.runtime.async_registry.threads import call_registry

PAGE_SIZE = 500


class AuthorizedKeys:
    """The keys that the caller covers.

    Args:
        keys: that there are.
        open_peppers: gives what secrets are hashed by; None on a server that asks for no keys, where nobody is known
            and so nobody may make any.
        audit: records what is done.
    """

    def __init__(self, keys: ApiKeys, open_peppers: Callable[[], Peppers] | None, audit: AuditTrail) -> None:
        self._keys = keys
        self._open_peppers = open_peppers
        self._audit = audit

    async def list(self, *, include_ended: bool, after: str, limit: int) -> Sequence[KeyEntry]:
        """Keys by name, those after `after`."""
        self._check_on()
        found: list[KeyEntry] = []
        while len(found) < limit:
            page = await call_registry(self._keys.list, include_ended=include_ended, after=after, limit=PAGE_SIZE)
            found += filter(_is_covered, page)
            if len(page) < PAGE_SIZE:
                break
            after = page[-1].name
        return found[:limit]

    async def get(self, key: str) -> KeyEntry:
        """One key, by its id or name; NotFoundError when there is none for the caller."""
        self._check_on()
        entry = await call_registry(self._keys.get, key)
        if not _is_covered(entry):
            raise key_not_found(key)
        return entry

    async def create(self, spec: KeySpec) -> IssuedKey:
        """Makes a key; PermissionDeniedError when it could do more than the caller's, others as of `ApiKeys.create`."""
        peppers = await self._peppers()
        with self._audit.recording("keys.create", spec.name):
            if not _is_covered(spec):
                raise PermissionDeniedError(
                    "a key cannot make one that may do more than itself: more scopes, models or urgency",
                    reason="key_exceeds_caller",
                )
            who = current_principal().name
            return await call_registry(self._keys.create, spec, peppers=peppers, created_by=who)

    async def rotate(self, key: str, grace: timedelta) -> IssuedKey:
        """Gives a key a new secret; errors as of `get` and `ApiKeys.rotate`."""
        peppers = await self._peppers()
        with self._audit.recording("keys.rotate", key):
            entry = await self.get(key)
            return await call_registry(self._keys.rotate, entry.id, peppers=peppers, grace=grace)

    async def revoke(self, key: str) -> KeyEntry:
        """Takes a key back; errors as of `get`."""
        self._check_on()
        with self._audit.recording("keys.revoke", key):
            entry = await self.get(key)
            return await call_registry(self._keys.revoke, entry.id)

    async def _peppers(self) -> Peppers:
        self._check_on()
        assert self._open_peppers is not None
        return await asyncio.to_thread(self._open_peppers)

    def _check_on(self) -> None:
        if self._open_peppers is None:
            raise PreconditionError(
                "the server asks for no keys (`auth` is off), so nobody may manage them here: use `panope keys`",
                reason="auth_off",
            )


def _is_covered(spec: KeySpec) -> bool:
    """Whether a key may do no more than the caller."""
    principal = current_principal()
    return (
        all(principal.may_use(resource, action) for resource, action in spec.scopes.pairs)
        and principal.models.cover(spec.models)
        and spec.max_priority <= principal.max_priority
    )
