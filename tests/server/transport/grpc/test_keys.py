"""KeyService on a real registry: nobody gets more by it than they have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from panope.v1 import key_service_pb2 as pb
from panope_backends.errors import (
    AlreadyExistsError,
    InvalidInputError,
    NotFoundError,
    PanopeError,
    PermissionDeniedError,
    PreconditionError,
)
from panope_registry.access.key_format import ApiKey
from panope_registry.access.pepper import Peppers
from panope_registry.access.priority import Priority
from panope_registry.access.scopes import ModelPatterns, Scopes
from panope_registry.session import RegistrySession
from panope_server.access.principal import ANONYMOUS, Principal, set_principal
from panope_server.runtime.async_registry.audit import AuditTrail
from panope_server.runtime.authorized.keys import AuthorizedKeys
from panope_server.transport.grpc.registry.key_servicer import KeyServicer

CONTEXT = cast("Any", None)
ADMIN = Principal("admin", "A" * 12, Scopes.parse(["admin"]))
#: Of a team that makes keys for its own models.
TEAM = Principal(
    "team", "B" * 12, Scopes.parse(["embed:*", "keys:*"]), ModelPatterns.parse(["acme/*"]), Priority.NORMAL
)


@pytest.fixture
def session(tmp_path: Path) -> Any:
    with RegistrySession.open(tmp_path / "registry.sqlite3", tmp_path) as session:
        yield session


@pytest.fixture
async def audit(session: RegistrySession) -> AsyncIterator[AuditTrail]:
    trail = AuditTrail(session.audit, 0)
    trail.start()
    yield trail
    await trail.stop()


@pytest.fixture
async def keys(session: RegistrySession, audit: AuditTrail, tmp_path: Path) -> KeyServicer:
    set_principal(ADMIN)
    return KeyServicer(AuthorizedKeys(session.keys, partial(Peppers.open, tmp_path, {}), audit))


@contextmanager
def called_by(principal: Principal) -> Any:
    set_principal(principal)
    yield
    set_principal(ADMIN)


def wanted(name: str = "ci", **more: Any) -> pb.CreateKeyRequest:
    return pb.CreateKeyRequest(**({"name": name, "scopes": ["embed:*"], "models": ["acme/*"]} | more))


async def made(keys: KeyServicer, name: str = "ci", **more: Any) -> pb.CreateKeyResponse:
    return await keys.CreateKey(wanted(name, **more), CONTEXT)


async def test_a_key_is_made_told_once_rotated_and_revoked(keys: KeyServicer, session: RegistrySession) -> None:
    ends = datetime.now(UTC) + timedelta(days=90)
    expire_time = Timestamp()
    expire_time.FromDatetime(ends)
    issued = await made(keys, request_limits=["100/s"], token_limits=["1M/day"], expire_time=expire_time)
    key = ApiKey.parse(issued.api_key)
    assert key is not None
    told = (await keys.GetKey(pb.GetKeyRequest(key="ci"), CONTEXT)).key
    assert told == issued.key
    assert key.secret not in str(told)
    assert (told.id, told.state, told.created_by, told.max_priority) == (key.id, pb.Key.STATE_ACTIVE, "admin", "high")
    assert (told.request_limits, told.token_limits) == (["100/second"], ["1000000/day"])
    assert abs(told.expire_time.ToDatetime(UTC) - ends) < timedelta(milliseconds=1)
    rotated = await keys.RotateKey(pb.RotateKeyRequest(key=key.id, grace=Duration(seconds=60)), CONTEXT)
    assert (rotated.key.secret_count, rotated.api_key == issued.api_key) == (2, False)
    assert (await keys.RevokeKey(pb.RevokeKeyRequest(key="ci"), CONTEXT)).key.state == pb.Key.STATE_REVOKED
    assert (await keys.ListKeys(pb.ListKeysRequest(), CONTEXT)).keys == []
    assert session.keys.find([key.id])[1][key.id].secrets == ()


async def test_keys_are_listed_page_by_page(keys: KeyServicer) -> None:
    for name in ("c", "a", "b"):
        await made(keys, name)
    await keys.RevokeKey(pb.RevokeKeyRequest(key="c"), CONTEXT)
    request = pb.ListKeysRequest(page_size=2, include_ended=True)
    first = await keys.ListKeys(request, CONTEXT)
    request.page_token = first.next_page_token
    second = await keys.ListKeys(request, CONTEXT)
    assert [[key.name for key in page.keys] for page in (first, second)] == [["a", "b"], ["c"]]
    assert second.next_page_token == ""
    assert [key.name for key in (await keys.ListKeys(pb.ListKeysRequest(), CONTEXT)).keys] == ["a", "b"]


@pytest.mark.parametrize(
    "more",
    [
        {"scopes": ["admin"]},
        {"scopes": ["embed:*", "models:write"]},
        {"scopes": ["*:read"]},
        {"models": ["*"]},
        {"models": ["acme*"]},
        {"models": ["other/tiny"]},
        {"max_priority": "high"},
    ],
    ids=str,
)
async def test_nobody_makes_a_key_that_may_do_more_than_their_own(
    keys: KeyServicer, session: RegistrySession, more: dict[str, Any]
) -> None:
    with called_by(TEAM), pytest.raises(PermissionDeniedError) as caught:
        await made(keys, **more)
    assert caught.value.reason == "key_exceeds_caller"
    assert session.keys.list() == []


async def test_keys_that_may_do_more_than_the_callers_are_hidden_from_it(keys: KeyServicer) -> None:
    await made(keys, "root", scopes=["admin"], models=["*"])
    with called_by(TEAM):
        own = await made(keys, "own", models=["acme/tiny"])
        assert own.key.max_priority == "normal", "the caller's own, where none is asked for"
        calls: list[Callable[[], Any]] = [
            lambda: keys.GetKey(pb.GetKeyRequest(key="root"), CONTEXT),
            lambda: keys.RotateKey(pb.RotateKeyRequest(key="root"), CONTEXT),
            lambda: keys.RevokeKey(pb.RevokeKeyRequest(key="root"), CONTEXT),
        ]
        for call in calls:
            with pytest.raises(NotFoundError, match="no key `root`"):
                await call()
        assert [key.name for key in (await keys.ListKeys(pb.ListKeysRequest(), CONTEXT)).keys] == ["own"]


async def test_a_server_that_asks_for_no_keys_makes_none(session: RegistrySession, audit: AuditTrail) -> None:
    keys = KeyServicer(AuthorizedKeys(session.keys, None, audit))
    with called_by(ANONYMOUS), pytest.raises(PreconditionError) as caught:
        await made(keys)
    assert caught.value.reason == "auth_off"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"name": ""}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["embd:*"]}, "scopes"),
        ({"models": ["a/b/c"]}, "models"),
        ({"request_limits": ["100"]}, "request_limits"),
        ({"token_limits": ["1/week"]}, "token_limits"),
        ({"max_priority": "urgent"}, "max_priority"),
        ({"expire_time": Timestamp(seconds=1)}, "expire_time"),
    ],
    ids=str,
)
async def test_what_is_wrong_is_told_by_its_field(keys: KeyServicer, more: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await made(keys, **more)
    assert caught.value.field == field


async def test_what_is_done_and_what_is_refused_stands_in_the_audit_log(
    keys: KeyServicer, session: RegistrySession, audit: AuditTrail
) -> None:
    await made(keys)
    tries: list[tuple[type[PanopeError], Any]] = [
        (AlreadyExistsError, made(keys)),
        (NotFoundError, keys.RevokeKey(pb.RevokeKeyRequest(key="nobody"), CONTEXT)),
    ]
    for kind, call in tries:
        with pytest.raises(kind):
            await call
    await keys.RotateKey(pb.RotateKeyRequest(key="ci"), CONTEXT)
    await audit.stop()
    events = [(event.principal, event.action, event.target, event.outcome) for event in session.audit.list()]
    assert events == [
        ("admin", "keys.rotate", "ci", "ok"),
        ("admin", "keys.revoke", "nobody", "key_not_found"),
        ("admin", "keys.create", "ci", "already_exists"),
        ("admin", "keys.create", "ci", "ok"),
    ]
