"""Callers who are known by a token of an issuer elsewhere, or by their certificate, beside those with keys.

Envoy checks tokens and tells their claims; it, gRPC and the admin port check certificates. Nobody else can say either:
headers with claims and names are believed on Envoy's own socket alone (`Caller`), and Envoy takes them from what
callers send. So a token that comes to the gRPC port itself is not one.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from panope_registry.access.key_format import PREFIX
from panope_server.access.authentication import Authenticator, sent_key
from panope_server.access.caller import Caller
from panope_server.access.principal import Principal
from panope_server.access.rules import Rules

MAX_SUBJECT_LENGTH = 200
MAX_VALUES = 1_000
#: What of a token Envoy takes for granted about clocks.
CLOCK_SKEW_SECONDS = 60.0

Identify = Callable[[Caller], Principal | None]
"""Who calls; None when it cannot tell."""


class IdentityAccess:
    """Knows callers by what they show beside keys; keys count before, and for whom nothing else counts.

    Args:
        keys: knows those with keys, and what others may.
        identities: ask one after the other.
        today: this moment, with its zone.
    """

    def __init__(
        self,
        keys: Authenticator,
        identities: Sequence[Identify],
        today: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._keys = keys
        self._identities = identities
        self._today = today

    async def principal_of(self, caller: Caller) -> Principal:
        """Who calls; raises as `KeyAccess` does."""
        if not sent_key(caller.metadata).startswith(PREFIX):
            for identify in self._identities:
                principal = identify(caller)
                if principal is not None and self.is_live(principal):
                    return principal
        return await self._keys.principal_of(caller)

    def is_live(self, principal: Principal) -> bool:
        """Whether what it showed is still good."""
        if principal.expires_at is None:
            return self._keys.is_live(principal)
        return principal.expires_at.timestamp() + CLOCK_SKEW_SECONDS > self._today().timestamp()

    async def principal_of_key(self, key_id: str) -> Principal | None:
        """The key's."""
        return await self._keys.principal_of_key(key_id)


class TokenIdentity:
    """Knows callers by the claims of their tokens.

    Args:
        claim: whose values the rules name: a text with spaces between values, or a list; `a.b` is `b` within `a`.
        rules: what callers of those values may do.
    """

    def __init__(self, claim: str, rules: Rules) -> None:
        self._path = claim.split(".")
        self._rules = rules

    def __call__(self, caller: Caller) -> Principal | None:
        """Who calls; None without a token, or with one that no rule is for."""
        claims = _decoded(caller.claims) if caller.claims else None
        if claims is None:
            return None
        subject, ends = claims.get("sub"), _moment(claims.get("exp"))
        found = self._rules.find(_values(claims, self._path))
        if found is None or ends is None or not isinstance(subject, str) or not _is_name(subject):
            return None
        rule, _ = found
        # No key can be taken for it: what follows the colon is the issuer's.
        return Principal(f"token:{subject}", scopes=rule.scopes, models=rule.models, expires_at=ends)


class CertificateIdentity:
    """Knows callers by the names of their certificates.

    Args:
        rules: what callers of those names may do.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def __call__(self, caller: Caller) -> Principal | None:
        """Who calls; None without a certificate, or with one that no rule is for."""
        names = caller.names
        found = self._rules.find(names) if names else None
        if found is None:
            return None
        rule, name = found
        return Principal(f"certificate:{name}", scopes=rule.scopes, models=rule.models)


def _decoded(text: str) -> dict[str, Any] | None:
    try:
        claims = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def _values(claims: Any, path: Sequence[str]) -> Collection[str]:
    for part in path:
        claims = claims.get(part) if isinstance(claims, dict) else None
    if isinstance(claims, str):
        return claims.split()[:MAX_VALUES]
    return [value for value in claims[:MAX_VALUES] if isinstance(value, str)] if isinstance(claims, list) else ()


def _is_name(subject: str) -> bool:
    return 0 < len(subject) <= MAX_SUBJECT_LENGTH and subject.isprintable()


def _moment(seconds: object) -> datetime | None:
    """A moment of a token; None for what is none."""
    try:
        return datetime.fromtimestamp(seconds, UTC)  # type: ignore[arg-type]  # it may be anything
    except (OverflowError, TypeError, ValueError, OSError):
        return None
