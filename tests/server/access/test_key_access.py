"""Keys at the door: which are let in, what others hear, and what happens while the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from panope_backends.errors import AvailabilityError, PanopeError, RateLimitError, UnauthenticatedError
from panope_registry.access.key_format import ApiKey
from panope_registry.access.key_types import KeyEntry, SecretDigest, StoredKey
from panope_registry.access.pepper import Peppers
from panope_registry.access.scopes import EVERY_MODEL, Scopes
from panope_server.access import key_cache
from panope_server.access.authentication import GUEST, KeyAccess
from panope_server.access.caller import Caller
from panope_server.access.failures import BURST, Failures
from panope_server.access.key_cache import OUTAGE_SECONDS, REFUSED_SECONDS, KeyCache

PEPPERS = Peppers(["ab" * 32])
MOMENT = datetime(2026, 11, 29, tzinfo=UTC)


@dataclass
class Registry:
    """Keys in memory, and how often it was asked."""

    keys: dict[str, StoredKey] = field(default_factory=dict)
    token: int = 1
    asked: int = 0
    is_away: bool = False
    used: set[str] = field(default_factory=set)

    def add(self, *, expires_at: datetime | None = None) -> ApiKey:
        key = ApiKey.generate()
        entry = KeyEntry(
            id=key.id,
            name=f"key {len(self.keys)}",
            scopes=Scopes.parse(["embed:*"]),
            models=EVERY_MODEL,
            expires_at=expires_at,
            created_at=MOMENT,
            created_by="ada",
            revoked_at=None,
            last_used_at=None,
            secret_count=1,
        )
        self.keys[key.id] = StoredKey(entry, (self._secret(key),))
        self.token += 1
        return key

    def rotate(self, key: ApiKey, old_until: datetime) -> ApiKey:
        new, stored = ApiKey.generate(key.id), self.keys[key.id]
        self.keys[key.id] = StoredKey(
            stored.entry, (self._secret(new), replace(stored.secrets[0], expires_at=old_until))
        )
        self.token += 1
        return new

    def revoke(self, key: ApiKey) -> None:
        self.keys[key.id] = StoredKey(replace(self.keys[key.id].entry, revoked_at=MOMENT), ())
        self.token += 1

    async def change_token(self) -> int:
        self._answer()
        return self.token

    async def find(self, key_ids: Collection[str]) -> tuple[int, Mapping[str, StoredKey]]:
        self.asked += 1
        self._answer()
        return self.token, {key_id: self.keys[key_id] for key_id in key_ids if key_id in self.keys}

    async def live_ids(self, limit: int) -> Collection[str]:
        self._answer()
        return [key_id for key_id, stored in self.keys.items() if stored.entry.revoked_at is None][:limit]

    async def record_use(self, key_ids: Collection[str]) -> None:
        self.used |= set(key_ids)

    def _answer(self) -> None:
        if self.is_away:
            raise AvailabilityError("the registry's database does not answer", reason="database_unavailable")

    @staticmethod
    def _secret(key: ApiKey) -> SecretDigest:
        return SecretDigest(PEPPERS.digest(key.secret), PEPPERS.newest, None)


class Door:
    """An authenticator with a clock of the test's own."""

    def __init__(self, registry: Registry, *, is_required: bool = True) -> None:
        self.seconds = 1000.0
        self.jump = timedelta()  # of the calendar's clock alone
        self.cache = KeyCache(registry, PEPPERS, lambda: self.seconds, lambda: self.today)
        self.access = KeyAccess(self.cache, Failures(lambda: self.seconds), is_required=is_required)

    @property
    def today(self) -> datetime:
        return MOMENT + timedelta(seconds=self.seconds - 1000) + self.jump

    async def name(self, key: object, peer: str = "1.2.3.4") -> str:
        return (await self.access.principal_of(Caller({"authorization": f"Bearer {key}"}, peer))).name

    async def refusal(self, metadata: Mapping[str, str], peer: str = "1.2.3.4") -> PanopeError:
        with pytest.raises(PanopeError) as caught:
            await self.access.principal_of(Caller(metadata, peer))
        return caught.value


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def door(registry: Registry) -> Door:
    return Door(registry)


@pytest.mark.parametrize(
    "header",
    [("authorization", "Bearer {}"), ("authorization", "bearer  {}"), ("x-api-key", "{}"), ("api-key", "{}")],
)
async def test_a_key_comes_in_any_of_the_headers_that_clients_use(
    registry: Registry, door: Door, header: tuple[str, str]
) -> None:
    key = registry.add()
    principal = await door.access.principal_of(Caller({header[0]: header[1].format(key)}))
    assert (principal.name, principal.key_id, principal.scopes.texts) == ("key 0", key.id, ["embed:*"])


async def test_whatever_is_wrong_with_a_key_the_answer_is_the_same(registry: Registry, door: Door) -> None:
    good, revoked = registry.add(), registry.add()
    expired = registry.add(expires_at=MOMENT - timedelta(seconds=1))
    registry.revoke(revoked)
    sent = [None, "", "sk-other", str(ApiKey.generate()), str(revoked), str(expired)]
    sent += [str(ApiKey(good.id, ApiKey.generate().secret)), str(good)[:-1] + "!"]
    answers = [await door.refusal({} if key is None else {"authorization": f"Bearer {key}"}) for key in sent]
    assert {(type(answer), answer.message, answer.reason) for answer in answers} == {
        (UnauthenticatedError, answers[0].message, "invalid_api_key")
    }


async def test_the_registry_is_asked_once_for_a_key_that_is_good_and_for_one_that_is_not(
    registry: Registry, door: Door
) -> None:
    good, wrong = registry.add(), ApiKey.generate()
    await door.cache.refresh()
    asked = registry.asked
    for _ in range(5):
        assert await door.name(good) == "key 0"
    assert registry.asked == asked + 1
    for _ in range(5):
        await door.refusal({"x-api-key": str(wrong)})
    assert registry.asked == asked + 2
    door.seconds += REFUSED_SECONDS
    await door.refusal({"x-api-key": str(wrong)})
    assert registry.asked == asked + 3


async def test_the_pepper_proves_a_secret_once_until_keys_change(
    registry: Registry, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    digest = Peppers.digest

    def counted(peppers: Peppers, secret: str, pepper_id: str = "") -> str:
        hashed.append(secret)
        return digest(peppers, secret, pepper_id)

    key = registry.add()
    await door.cache.refresh()
    monkeypatch.setattr(Peppers, "digest", counted)
    for _ in range(3):
        assert await door.name(key) == "key 0"
    assert hashed.count(key.secret) == 1
    registry.add()
    await door.cache.refresh()
    assert await door.name(key) == "key 0"
    assert hashed.count(key.secret) == 2


async def test_what_was_proved_of_one_secret_lets_no_other_text_in(registry: Registry, door: Door) -> None:
    key = registry.add()
    assert await door.name(key) == "key 0"
    text = str(key)
    wrong_checksum = text[:-1] + ("0" if text[-1] != "0" else "1")
    for other in (str(ApiKey.generate(key.id)), wrong_checksum, text[:-1] + "é", f"{text} {text}"):
        with pytest.raises(UnauthenticatedError):
            await door.name(other)


async def test_calls_that_come_together_ask_once(registry: Registry, door: Door) -> None:
    good = registry.add()
    assert set(await asyncio.gather(*(door.name(good) for _ in range(20)))) == {"key 0"}
    assert registry.asked == 1


async def test_a_revoked_key_is_refused_after_the_next_look(registry: Registry, door: Door) -> None:
    good = registry.add()
    assert await door.name(good) == "key 0"
    principal = await door.access.principal_of(Caller({"x-api-key": str(good)}))
    registry.revoke(good)
    await door.cache.refresh()
    await door.refusal({"x-api-key": str(good)})
    assert not door.access.is_live(principal)


async def test_of_keys_that_were_taken_back_the_newest_are_remembered(
    registry: Registry, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_cache, "MAX_ENDED", 2)
    keys = [registry.add() for _ in range(4)]
    principals = [await door.access.principal_of(Caller({"x-api-key": str(key)})) for key in keys]
    for key in keys[:3]:
        registry.revoke(key)
        await door.cache.refresh()
    assert [door.access.is_live(principal) for principal in principals] == [True, False, False, True]


async def test_a_key_that_was_refused_before_it_was_made_is_good_after_the_next_look(
    registry: Registry, door: Door
) -> None:
    await door.cache.refresh()
    key = registry.add()
    stored = registry.keys.pop(key.id)
    await door.refusal({"x-api-key": str(key)})
    registry.keys[key.id] = stored
    registry.token += 1
    await door.cache.refresh()
    assert await door.name(key) == "key 0"


async def test_both_secrets_are_good_until_the_grace_is_over(registry: Registry, door: Door) -> None:
    old = registry.add()
    await door.name(old)
    new = registry.rotate(old, MOMENT + timedelta(seconds=30))
    await door.cache.refresh()
    assert (await door.name(old), await door.name(new)) == ("key 0", "key 0")
    door.seconds += 30
    await door.refusal({"x-api-key": str(old)})
    assert await door.name(new) == "key 0"


async def test_a_key_ends_at_its_moment(registry: Registry, door: Door) -> None:
    key = registry.add(expires_at=MOMENT + timedelta(seconds=30))
    principal = await door.access.principal_of(Caller({"x-api-key": str(key)}))
    assert door.access.is_live(principal)
    door.seconds += 30
    await door.refusal({"x-api-key": str(key)})
    assert not door.access.is_live(principal)


@pytest.mark.parametrize("years", [-30, 30])
async def test_a_clock_that_jumps_moves_the_ends_of_keys_and_nothing_else(
    registry: Registry, door: Door, years: int
) -> None:
    lasting, ending, wrong = registry.add(), registry.add(expires_at=MOMENT + timedelta(days=1)), ApiKey.generate()
    await door.cache.refresh()
    assert (await door.name(lasting), await door.name(ending)) == ("key 0", "key 1")
    await door.refusal({"x-api-key": str(wrong)})
    asked = registry.asked
    door.jump = timedelta(days=365 * years)
    assert await door.name(lasting) == "key 0", "it was seen a moment ago, whatever the calendar says"
    await door.refusal({"x-api-key": str(wrong)})
    assert registry.asked == asked, "nor has its refusal ended, or the time in which the database may be away"
    if years > 0:
        assert isinstance(await door.refusal({"x-api-key": str(ending)}), UnauthenticatedError)
    door.jump = timedelta()
    assert await door.name(ending) == "key 1", "an end that a wrong clock brought is none"


async def test_known_keys_outlast_the_database_for_a_minute_and_unknown_ones_are_no_wrong_ones(
    registry: Registry, door: Door
) -> None:
    known, unknown = registry.add(), registry.add()
    await door.cache.refresh()
    await door.name(known)
    registry.is_away = True
    door.seconds += OUTAGE_SECONDS
    assert await door.name(known) == "key 0"
    assert isinstance(await door.refusal({"x-api-key": str(unknown)}), AvailabilityError)
    assert isinstance(await door.refusal({"x-api-key": str(ApiKey(known.id, unknown.secret))}), UnauthenticatedError)
    door.seconds += 1
    assert isinstance(await door.refusal({"x-api-key": str(known)}), AvailabilityError)
    registry.is_away = False
    await door.cache.refresh()
    assert await door.name(known) == "key 0"


async def test_wrong_keys_of_one_address_are_refused_before_the_registry_is_asked(
    registry: Registry, door: Door
) -> None:
    good = registry.add()
    await door.name(good)
    answers = [await door.refusal({"x-api-key": str(ApiKey.generate())}) for _ in range(1000)]
    assert [type(answer) for answer in answers] == [UnauthenticatedError] * BURST + [RateLimitError] * (1000 - BURST)
    assert answers[-1].retry_after_seconds == pytest.approx(1)
    assert registry.asked == 1 + BURST
    assert await door.name(good) == "key 0"
    assert isinstance(await door.refusal({"x-api-key": str(ApiKey.generate())}, "5.6.7.8"), UnauthenticatedError)


async def test_a_good_key_that_nobody_has_used_yet_is_let_in_however_many_wrong_ones_its_address_sends(
    registry: Registry, door: Door
) -> None:
    revoked = registry.add()
    registry.revoke(revoked)
    await door.cache.refresh()
    for sent in [str(revoked)] * 500 + [str(ApiKey.generate()) for _ in range(500)]:
        await door.refusal({"x-api-key": sent})
    new = registry.add()
    await door.cache.refresh()
    assert await door.name(new) == "key 1"


async def test_wrong_secrets_of_a_key_that_there_is_count_as_wrong_keys(registry: Registry, door: Door) -> None:
    good = registry.add()
    await door.cache.refresh()
    sent = [str(ApiKey(good.id, ApiKey.generate().secret)) for _ in range(100)]
    answers = [await door.refusal({"x-api-key": key}) for key in sent]
    assert [type(answer) for answer in answers] == [UnauthenticatedError] * BURST + [RateLimitError] * (100 - BURST)
    assert registry.asked == 2, "to see what changed, and for the first of them"
    assert await door.name(good) == "key 0"


async def test_while_nobody_can_look_keys_up_none_counts_as_wrong(registry: Registry, door: Door) -> None:
    await door.cache.refresh()
    new = registry.add()
    registry.is_away = True
    answers = [await door.refusal({"x-api-key": str(new)}) for _ in range(2 * BURST)]
    assert {type(answer) for answer in answers} == {AvailabilityError}
    registry.is_away = False
    assert await door.name(new) == "key 0"


async def test_an_ipv6_host_is_one_address_however_many_it_has(registry: Registry, door: Door) -> None:
    for index in range(BURST):
        await door.refusal({"x-api-key": str(ApiKey.generate())}, f"2001:db8::{index:x}")
    assert isinstance(await door.refusal({"x-api-key": str(ApiKey.generate())}, "2001:db8::ffff"), RateLimitError)
    assert isinstance(await door.refusal({"x-api-key": str(ApiKey.generate())}, "2001:db8:1::1"), UnauthenticatedError)


async def test_where_keys_are_optional_guests_come_in_and_wrong_keys_do_not(registry: Registry) -> None:
    door = Door(registry, is_required=False)
    good = registry.add()
    for metadata in ({}, {"authorization": "Bearer hf_token"}, {"x-api-key": "unused"}):
        assert await door.access.principal_of(Caller(metadata)) is GUEST
    assert await door.name(good) == "key 0"
    assert isinstance(await door.refusal({"x-api-key": str(ApiKey.generate())}), UnauthenticatedError)


def test_guests_change_nothing() -> None:
    assert not any(action != "read" and resource != "infer" for resource, action in GUEST.scopes.pairs)
    assert not GUEST.may_use("keys", "read")
    assert not GUEST.may_use("audit", "read")


async def test_uses_are_told_once(registry: Registry, door: Door) -> None:
    good = registry.add()
    await door.name(good)
    await door.cache.record_uses()
    assert registry.used == {good.id}
    registry.used.clear()
    await door.cache.record_uses()
    assert registry.used == set()


@pytest.mark.parametrize(
    ("caller", "address"),
    [
        (Caller({"x-forwarded-for": "6.6.6.6, 1.2.3.4"}, is_edge=True), "1.2.3.4"),
        (Caller({"x-forwarded-for": "6.6.6.6"}, "1.2.3.4"), "1.2.3.4"),
    ],
)
def test_a_forwarded_address_counts_from_our_own_envoy_alone(caller: Caller, address: str) -> None:
    assert caller.address == address
