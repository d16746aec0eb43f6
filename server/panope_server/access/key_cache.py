"""The keys that this server has seen: good for as long as the registry was read lately and says nothing else.

Once a second the registry is asked for the number that every change of a key raises, and when it moved, the keys known
here are read again; so a key that was taken back is refused everywhere within two seconds. While the database is away,
known keys stay good for a minute and unknown ones cannot be told from wrong ones, so that is what their callers hear.

A text whose secret the pepper has proved is recognised from then on by its fingerprint: BLAKE2b of the whole text with
a key that this process has drawn, without which nobody can find another text of one fingerprint or try texts on it.
Fingerprints lie in the record of their key, and go with it when keys change and it is read again.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Protocol

from panope_backends.errors import AvailabilityError
from panope_registry.access.key_format import ApiKey
from panope_registry.access.key_types import SecretDigest, StoredKey
from panope_registry.access.pepper import Peppers
from panope_server.access.principal import Principal

REFRESH_SECONDS = 1.0
#: How long known keys stay good while the database is away.
OUTAGE_SECONDS = 60.0
#: How long an id that no key has is refused without asking again.
REFUSED_SECONDS = 5.0
#: What a call waits for a database that hangs.
ANSWER_SECONDS = 5.0
USES_SECONDS = 60.0
MAX_KNOWN = 10_000
MAX_REFUSED = 10_000
MAX_LISTED = 100_000
#: Of keys that were taken back; calls that began with older ones have long ended.
MAX_ENDED = 10_000


class KeySource(Protocol):
    """The registry's keys."""

    async def change_token(self) -> int:
        """A number that every change of keys raises."""

    async def find(self, key_ids: Collection[str]) -> tuple[int, Mapping[str, StoredKey]]:
        """The keys of some ids, and the change token of that moment."""

    async def live_ids(self, limit: int) -> Collection[str]:
        """The ids of keys that have not ended, of the newest first, so many at most."""

    async def record_use(self, key_ids: Collection[str]) -> None:
        """Records that keys were used."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A key as it was when the change token was `token`.

    Attributes:
        proved: fingerprints of texts that had a good secret, with that.
    """

    token: int
    principal: Principal
    secrets: tuple[SecretDigest, ...]
    expires_at: datetime | None
    proved: list[tuple[bytes, SecretDigest]] = field(default_factory=list)


class KeyCache:
    """Knows keys.

    Args:
        source: where they are.
        peppers: hash what callers send.
        clock: of seconds that only go forward.
        today: this moment, with its zone.
    """

    def __init__(
        self,
        source: KeySource,
        peppers: Peppers,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._source = source
        self._peppers = peppers
        self._clock = clock
        self._today = today
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._refused: OrderedDict[str, float] = OrderedDict()
        self._asked: dict[str, asyncio.Future[None]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._listed: frozenset[str] = frozenset()
        self._used: set[str] = set()
        self._token = -1
        self._fingerprints = blake2b(key=secrets.token_bytes(32), digest_size=16)
        self._fresh_at = -float("inf")

    def recognised(self, text: str) -> Principal | None:
        """Who has sent a text that was proved to be a good key, and still is one; None for what is to be looked at."""
        key_id = ApiKey.id_in(text)
        known = self._known.get(key_id)
        if known is None or self._clock() - self._fresh_at > OUTAGE_SECONDS:
            return None
        fingerprint = self._fingerprint(text)
        for proved, secret in known.proved:
            if hmac.compare_digest(proved, fingerprint):
                if not self._has_time(known, secret):
                    return None
                self._used.add(key_id)
                return known.principal
        return None

    def known(self, key: ApiKey) -> Principal | None:
        """Who a key is of, if that is known here and still holds; checked in the same time for any wrong secret."""
        known = self._known.get(key.id)
        if known is None or self._clock() - self._fresh_at > OUTAGE_SECONDS or not self._is_good(known, key):
            return None
        self._used.add(key.id)
        return known.principal

    def is_refused(self, key: ApiKey) -> bool:
        """Whether a key is known to be wrong, without asking anybody."""
        if key.id in self._known:
            return self._clock() - self._fresh_at <= OUTAGE_SECONDS
        until = self._refused.get(key.id)
        return until is not None and self._clock() < until

    def is_listed(self, key: ApiKey) -> bool:
        """Whether there is a key of its id, as far as was seen a second ago; its secret may still be wrong."""
        return key.id in self._listed

    def is_live(self, key_id: str) -> bool:
        """Whether a key that was good is not known to have ended since."""
        known = self._known.get(key_id)
        if known is None:
            return key_id not in self._ended
        return known.expires_at is None or known.expires_at > self._today()

    async def look_up(self, key: ApiKey) -> Principal | None:
        """Who a key is of, as the registry says; None for nobody.

        Raises:
            AvailabilityError: the database does not answer.
        """
        asked = self._asked.get(key.id)
        if asked is None:
            asked = self._asked[key.id] = asyncio.ensure_future(self._read([key.id]))
            asked.add_done_callback(lambda done: self._answered(key.id, done))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await asyncio.shield(asked)  # others may wait for the same
        except TimeoutError:
            raise AvailabilityError(
                "the registry's database does not answer", reason="database_unavailable", retry_after_seconds=1.0
            ) from None
        known = self._known.get(key.id)
        if known is None or not self._is_good(known, key):
            return None
        self._used.add(key.id)
        return known.principal

    async def principal(self, key_id: str) -> Principal | None:
        """Who the key of an id is of, as the registry says now; None when it has ended.

        Raises:
            AvailabilityError: the database does not answer.
        """
        await self._read([key_id])
        known = self._known.get(key_id)
        return known.principal if known is not None and self.is_live(key_id) else None

    async def refresh(self) -> None:
        """Sees what changed.

        Raises:
            AvailabilityError: the database does not answer.
        """
        begun = self._clock()
        token = await self._source.change_token()
        if token != self._token:
            self._refused.clear()
            self._listed = frozenset(await self._source.live_ids(MAX_LISTED))
            await self._read(list(self._known))
            self._token = token
        self._fresh_at = begun

    async def record_uses(self) -> None:
        """Tells the registry which keys were used since it was told last."""
        used, self._used = self._used, set()
        try:
            if used:
                await self._source.record_use(used)
        except BaseException:
            self._used |= used  # for the next time
            raise

    async def _read(self, key_ids: list[str]) -> None:
        token, found = await self._source.find(key_ids)
        for key_id in key_ids:
            known = self._known.get(key_id)
            if known is not None and known.token > token:
                continue  # another read began later and ended sooner
            stored = found.get(key_id)
            if stored is not None and stored.entry.revoked_at is None:
                self._put(key_id, _known(stored, token))
            else:
                self._forget(key_id, was_there=known is not None or stored is not None)

    def _answered(self, key_id: str, done: asyncio.Future[None]) -> None:
        self._asked.pop(key_id, None)
        if not done.cancelled():
            done.exception()  # whoever still waits hears of it; nobody may

    def _put(self, key_id: str, known: _Known) -> None:
        self._known[key_id] = known
        self._known.move_to_end(key_id)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        if self._fresh_at == -float("inf"):
            self._fresh_at = self._clock()

    def _forget(self, key_id: str, *, was_there: bool) -> None:
        self._known.pop(key_id, None)
        if was_there:
            self._ended.setdefault(key_id)
            if len(self._ended) > MAX_ENDED:
                self._ended.popitem(last=False)
        self._refused[key_id] = self._clock() + REFUSED_SECONDS
        if len(self._refused) > MAX_REFUSED:
            self._refused.popitem(last=False)

    def _is_good(self, known: _Known, key: ApiKey) -> bool:
        good = False
        for secret in known.secrets:
            digest = self._peppers.digest(key.secret, secret.pepper_id)
            if hmac.compare_digest(digest, secret.digest) and self._has_time(known, secret):
                good = True
                self._prove(known, secret, str(key))
        return good

    def _has_time(self, known: _Known, secret: SecretDigest) -> bool:
        """Whether neither the key nor the secret has ended."""
        if known.expires_at is None and secret.expires_at is None:
            return True
        moment = self._today()
        return all(ends is None or ends > moment for ends in (known.expires_at, secret.expires_at))

    def _prove(self, known: _Known, secret: SecretDigest, text: str) -> None:
        """Notes that a text has a good secret; of each there is one text."""
        if all(proved is not secret for _, proved in known.proved):
            known.proved.append((self._fingerprint(text), secret))

    def _fingerprint(self, text: str) -> bytes:
        fingerprint = self._fingerprints.copy()
        fingerprint.update(text.encode())
        return fingerprint.digest()


def _known(stored: StoredKey, token: int) -> _Known:
    entry = stored.entry
    principal = Principal(entry.name, entry.id, entry.scopes, entry.models, entry.max_priority, entry.limits)
    return _Known(token, principal, stored.secrets, entry.expires_at)
