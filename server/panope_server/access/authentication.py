"""Who a caller is, by what came with the call: the one place that keys, tokens and certificates have.

Every way in asks it: gRPC by `transport.interceptors.auth`, HTTP by `transport.http.admin_guard`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from panope_backends.errors import UnauthenticatedError
from panope_registry.access.key_format import PREFIX, ApiKey
from panope_registry.access.scopes import EVERY_MODEL, Scopes
from panope_server.access.caller import Caller
from panope_server.access.failures import Failures
from panope_server.access.key_cache import KeyCache
from panope_server.access.principal import ANONYMOUS, Principal

#: What callers without a key may do where keys are optional: everything that changes nothing.
GUEST = Principal(
    scopes=Scopes.parse(
        ["infer:*", *(f"{name}:read" for name in ("models", "files", "aliases", "jobs", "status", "metrics"))]
    ),
    models=EVERY_MODEL,
)

_HEADERS = ("x-api-key", "api-key")
_BEARER = "bearer "


class Authenticator(Protocol):
    """Knows callers."""

    async def principal_of(self, caller: Caller) -> Principal:
        """Who calls.

        Raises:
            PanopeError: the caller is nobody who may call; nothing of the call has been looked at yet.
        """

    def is_live(self, principal: Principal) -> bool:
        """Whether somebody who was let in before would be now."""

    async def principal_of_key(self, key_id: str) -> Principal | None:
        """Whose work is done that was accepted with a key; None when that has ended.

        Raises:
            AvailabilityError: nobody can tell now.
        """


class AnonymousAccess:
    """Everybody may call and nobody is known, whatever keys they send: `auth = off`."""

    async def principal_of(self, caller: Caller) -> Principal:
        """Nobody in particular."""
        return ANONYMOUS

    def is_live(self, principal: Principal) -> bool:
        """Always."""
        return True

    async def principal_of_key(self, key_id: str) -> Principal | None:
        """Nobody in particular."""
        return ANONYMOUS


class KeyAccess:
    """Callers are known by their API keys.

    Args:
        keys: that there are.
        failures: bound how often one address may send wrong keys.
        is_required: whether callers without a key are refused; others are guests.
    """

    def __init__(self, keys: KeyCache, failures: Failures, *, is_required: bool) -> None:
        self._keys = keys
        self._failures = failures
        self._is_required = is_required

    async def principal_of(self, caller: Caller) -> Principal:
        """Who calls.

        Raises:
            UnauthenticatedError: no key, or none that is good; the caller is not told which.
            RateLimitError: its address has sent too many wrong keys.
            AvailabilityError: the key is not known here and the database does not answer.
        """
        sent = sent_key(caller.metadata)
        principal = self._keys.recognised(sent)
        if principal is not None:
            return principal
        # Programs send keys of other services where none is asked for, such as the hub's client its token.
        if not sent or not (self._is_required or sent.startswith(PREFIX)):
            if self._is_required:
                raise unauthenticated()
            return GUEST
        key = ApiKey.parse(sent)
        if key is None:
            self._failures.count(caller.address)
            raise unauthenticated()
        return await self._known(key, caller)

    def is_live(self, principal: Principal) -> bool:
        """Whether the key was neither taken back nor has ended."""
        return not principal.key_id or self._keys.is_live(principal.key_id)

    async def principal_of_key(self, key_id: str) -> Principal | None:
        """The key's, as the registry says."""
        return await self._keys.principal(key_id)

    async def _known(self, key: ApiKey, caller: Caller) -> Principal:
        principal = self._keys.known(key)
        if principal is None and not self._keys.is_refused(key):
            return await self._looked_up(key, caller)
        if principal is None:
            self._failures.count(caller.address)
            raise unauthenticated()
        return principal

    async def _looked_up(self, key: ApiKey, caller: Caller) -> Principal:
        """Asks the database: for ids that no key has as often as the address may be wrong, for others once each.

        So wrong keys do not keep good ones of the same address out, of which this server has not seen one yet.
        """
        is_guess = not self._keys.is_listed(key)
        if is_guess:
            self._failures.count(caller.address)
        try:
            principal = await self._keys.look_up(key)
        except BaseException:
            if is_guess:  # nobody knows
                self._failures.forgive(caller.address)
            raise
        if principal is None:
            if not is_guess:
                self._failures.count(caller.address)
            raise unauthenticated()
        if is_guess:
            self._failures.forgive(caller.address)
        return principal


def sent_key(metadata: Mapping[str, str]) -> str:
    """The key that came with a call, as OpenAI's clients send it, Anthropic's or Azure's; empty without one."""
    given = metadata.get("authorization", "")
    if given[: len(_BEARER)].lower() == _BEARER:
        return given[len(_BEARER) :].strip()
    return given or next((metadata[name] for name in _HEADERS if metadata.get(name)), "")


def unauthenticated() -> UnauthenticatedError:
    """The same for a key that is missing, unknown, revoked or expired."""
    return UnauthenticatedError("the call needs a valid API key: send it as `authorization: Bearer KEY`")
