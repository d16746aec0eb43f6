"""Keys: shown once, kept as hashes, rotated with a grace, revoked for good; on both databases."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from panope_backends.errors import AlreadyExistsError, InvalidInputError, NotFoundError, PreconditionError
from panope_registry.access.key_format import ApiKey
from panope_registry.access.key_types import KeySpec
from panope_registry.access.keys import ApiKeys
from panope_registry.access.limits import Counted, Limit
from panope_registry.access.pepper import Peppers
from panope_registry.access.priority import Priority
from panope_registry.access.scopes import ModelPatterns, Scopes
from panope_registry.session import RegistrySession
from panope_registry.tables.columns import now

PEPPERS = Peppers(["ab" * 32])


def spec(name: str = "ci", **more: object) -> KeySpec:
    given = {
        "scopes": Scopes.parse(["embed:*"]),
        "models": ModelPatterns.parse(["acme/*"]),
        "max_priority": Priority.NORMAL,
        "limits": (Limit.parse("100/s", Counted.REQUESTS, "rate"), Limit.parse("1M/day", Counted.TOKENS, "tokens")),
    }
    return KeySpec(name=name, **(given | more))  # type: ignore[arg-type]  # fields by their names


@pytest.fixture
def keys(session: RegistrySession) -> ApiKeys:
    return session.keys


def create(keys: ApiKeys, name: str = "ci", **more: object) -> tuple[str, ApiKey]:
    issued = keys.create(spec(name, **more), peppers=PEPPERS, created_by="ada")
    return issued.entry.id, issued.key


def is_good(keys: ApiKeys, key: ApiKey) -> bool:
    _, found = keys.find([key.id])
    return any(secret.digest == PEPPERS.digest(key.secret) for stored in found.values() for secret in stored.secrets)


def test_a_key_is_as_it_was_asked_for(keys: ApiKeys) -> None:
    key_id, key = create(keys)
    entry = keys.get("ci")
    assert entry == keys.get(key_id)
    assert (entry.scopes.texts, entry.models.texts) == (["embed:*"], ("acme/*",))
    assert (entry.max_priority, entry.limits) == (Priority.NORMAL, spec().limits)
    assert (entry.created_by, entry.secret_count, entry.state(now())) == ("ada", 1, "active")
    assert is_good(keys, key)


def test_the_database_holds_no_secret(keys: ApiKeys, session: RegistrySession) -> None:
    _, key = create(keys)
    with session.database.read() as connection:
        rows = [
            *connection.execute(text("SELECT * FROM api_key")),
            *connection.execute(text("SELECT * FROM api_key_secret")),
        ]
    assert len(rows) == 2
    assert key.secret not in repr(rows)
    assert re.search(r"[0-9a-f]{64}", repr(rows))


def test_a_name_is_given_once(keys: ApiKeys) -> None:
    create(keys)
    with pytest.raises(AlreadyExistsError, match="`ci` exists"):
        create(keys)


def test_a_rotated_key_has_two_secrets_until_the_grace_is_over(keys: ApiKeys) -> None:
    key_id, old = create(keys)
    new = keys.rotate("ci", peppers=PEPPERS, grace=timedelta(hours=1)).key
    assert new.id == key_id
    assert is_good(keys, old)
    assert is_good(keys, new)
    assert keys.get("ci").secret_count == 2
    newest = keys.rotate("ci", peppers=PEPPERS, grace=timedelta()).key
    assert not is_good(keys, old)
    assert is_good(keys, newest)
    assert keys.get("ci").secret_count == 1


def test_a_revoked_key_is_good_for_nothing_and_stays_in_the_list_of_ended_ones(keys: ApiKeys) -> None:
    _, key = create(keys)
    before = keys.change_token()
    assert keys.revoke("ci").state(now()) == "revoked"
    assert keys.change_token() > before
    assert not is_good(keys, key)
    assert keys.list() == []
    assert [entry.name for entry in keys.list(include_ended=True)] == ["ci"]
    with pytest.raises(PreconditionError, match="is revoked"):
        keys.rotate("ci", peppers=PEPPERS)


def test_revoking_again_keeps_the_first_moment(keys: ApiKeys) -> None:
    create(keys)
    assert keys.revoke("ci").revoked_at == keys.revoke("ci").revoked_at


def test_servers_that_rotate_a_key_at_once_leave_it_one_secret_without_an_end(
    keys: ApiKeys, session: RegistrySession
) -> None:
    key_id, _ = create(keys)
    with ThreadPoolExecutor(8) as servers:
        list(servers.map(lambda _: keys.rotate(key_id, peppers=PEPPERS), range(24)))
    with session.database.read() as connection:
        ends = list(connection.execute(text("SELECT expires_at FROM api_key_secret")).scalars())
    assert (len(ends), ends.count(None)) == (2, 1), "the newest, and the one before for its grace"


def test_a_key_that_is_revoked_while_others_rotate_it_has_no_secret_left(
    keys: ApiKeys, session: RegistrySession
) -> None:
    def rotate(key_id: str) -> None:
        with suppress(PreconditionError):  # it was revoked
            keys.rotate(key_id, peppers=PEPPERS)

    with ThreadPoolExecutor(8) as servers:
        for number in range(8):
            key_id, _ = create(keys, f"key {number}")
            asked = [servers.submit(rotate, key_id) for _ in range(3)]
            keys.revoke(key_id)
            for done in asked:
                done.result()
    with session.database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM api_key_secret")).scalar_one() == 0


def test_using_a_key_is_recorded_and_is_no_change(keys: ApiKeys) -> None:
    key_id, _ = create(keys)
    before = keys.change_token()
    keys.record_use([key_id])
    assert keys.get("ci").last_used_at is not None
    assert keys.change_token() == before


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_servers_that_record_the_use_of_the_same_keys_do_not_wait_for_each_other(
    keys: ApiKeys, session: RegistrySession
) -> None:
    """Whoever waits for the first row by id holds none behind it, in whatever order the table has them."""
    first_by_id = text("SELECT id FROM api_key ORDER BY id LIMIT 1")
    used = [create(keys, "0")[0]]
    first = used[0]
    while first == used[0]:  # until the table has one before it that comes later by id
        used.append(create(keys, str(len(used)))[0])
        with session.database.read() as connection:
            first = connection.execute(first_by_id).scalar_one()
    locked = text("SELECT 1 FROM api_key WHERE id = :id FOR UPDATE NOWAIT")
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with ThreadPoolExecutor(1) as other_server:
        with session.database.write() as connection:
            connection.execute(locked, {"id": first})
            recording = other_server.submit(keys.record_use, used)
            with session.database.engine.connect() as onlooker:
                while not recording.done() and not onlooker.execute(waiting).scalar_one():
                    onlooker.rollback()
            connection.execute(locked, {"id": used[0]})
        recording.result()
    assert all(keys.get(key_id).last_used_at for key_id in used)


def test_what_is_no_key_is_refused_by_field(keys: ApiKeys) -> None:
    twice = (Limit.parse("1/s", Counted.REQUESTS, "rate"), Limit.parse("2/s", Counted.REQUESTS, "rate"))
    for more, field in [
        ({"name": " "}, "name"),
        ({"name": "a" * 101}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"limits": twice}, "request_limits"),
        ({"expires_at": now()}, "expires_at"),
    ]:
        with pytest.raises(InvalidInputError) as caught:
            # Fields by their names, which the types do not know.
            keys.create(spec(**{"name": "x"} | more), peppers=PEPPERS, created_by="ada")  # type: ignore[arg-type]
        assert caught.value.field == field
    with pytest.raises(NotFoundError, match="no key `nobody`"):
        keys.get("nobody")


def test_a_home_has_a_pepper_that_only_its_user_reads(tmp_path: Path) -> None:
    made = Peppers.open(tmp_path, {})
    assert (tmp_path / "pepper").stat().st_mode & 0o777 == 0o600
    assert Peppers.open(tmp_path, {}).digest("secret") == made.digest("secret")
    assert [file.name for file in tmp_path.iterdir()] == ["pepper"]
    (tmp_path / "pepper").chmod(0o640)
    with pytest.raises(PreconditionError, match="others can read"):
        Peppers.open(tmp_path, {})


def test_a_new_pepper_hashes_new_secrets_and_old_ones_are_still_checked() -> None:
    old, both = Peppers(["11" * 32]), Peppers(["11" * 32, "22" * 32])
    assert both.newest != old.newest
    assert both.digest("secret", old.newest) == old.digest("secret")
    assert both.digest("secret") != old.digest("secret")
    assert old.digest("secret", both.newest) == ""
    assert Peppers.open(Path("/nowhere"), {"PANOPE_PEPPER": f"{'11' * 32},{'22' * 32}"}).newest == both.newest
    with pytest.raises(PreconditionError, match="64 hexadecimal digits"):
        Peppers(["secret"])
