"""Two servers on one database, as replicas are: a key that is revoked, and limits that both keep together."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from panope_backends.errors import QuotaError, UnauthenticatedError
from panope_registry.access.key_format import ApiKey
from panope_registry.access.key_types import KeySpec
from panope_registry.access.limits import Counted, Limit, Period
from panope_registry.access.pepper import Peppers
from panope_registry.access.scopes import Scopes
from panope_registry.session import RegistrySession
from panope_server.access import limiter
from panope_server.access.authentication import KeyAccess
from panope_server.access.caller import Caller
from panope_server.access.failures import Failures
from panope_server.access.key_cache import KeyCache
from panope_server.runtime.async_registry.keys import AsyncKeys, KeyFollower
from panope_server.runtime.async_registry.limits import AsyncLimits

PEPPERS = Peppers(["ab" * 32])
QUOTA = Limit(Counted.REQUESTS, 500, Period.DAY)


def make_key(session: RegistrySession) -> ApiKey:
    spec = KeySpec(name="ci", scopes=Scopes.parse(["embed:*"]))
    return session.keys.create(spec, peppers=PEPPERS, created_by="ada").key


async def test_a_key_that_is_revoked_is_refused_by_every_server_within_five_seconds(session: RegistrySession) -> None:
    key = make_key(session)
    caches = [KeyCache(AsyncKeys(session.keys), PEPPERS) for _ in range(2)]
    followers = [KeyFollower(cache) for cache in caches]
    servers = [KeyAccess(cache, Failures(), is_required=True) for cache in caches]
    caller = Caller({"x-api-key": str(key)})
    for follower in followers:
        await follower.start()
    try:
        for server in servers:
            assert (await server.principal_of(caller)).name == "ci"
        session.keys.revoke("ci")
        revoked = time.monotonic()
        for server in servers:
            while await is_let_in(server, caller):
                assert time.monotonic() - revoked < 5
    finally:
        for follower in followers:
            await follower.stop()


async def is_let_in(server: KeyAccess, caller: Caller) -> bool:
    await asyncio.sleep(0.05)
    try:
        await server.principal_of(caller)
    except UnauthenticatedError:
        return False
    return True


async def test_servers_at_once_let_in_no_more_than_a_quota_and_give_back_what_they_hold(
    session: RegistrySession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limiter, "ANSWER_SECONDS", 60.0)  # a busy machine is no outage
    servers = [AsyncLimits(session.budgets, session.model_limits) for _ in range(3)]

    async def calls(server: AsyncLimits) -> int:
        admitted = 0
        try:
            for _ in range(QUOTA.amount):
                await server.limiter.admit(server.limiter.slices("key:a", [QUOTA]), 0, {})
                admitted += 1
        except QuotaError:
            await server.stop()
        return admitted

    admitted = sum(await asyncio.gather(*map(calls, servers)))
    assert admitted <= QUOTA.amount
    last = AsyncLimits(session.budgets, session.model_limits)
    admitted += await calls(last)
    assert admitted == QUOTA.amount


def test_servers_that_set_a_models_limits_at_once_leave_it_those_of_the_last(session: RegistrySession) -> None:
    rates = [Limit(Counted.REQUESTS, amount, Period.SECOND) for amount in range(1, 25)]
    with ThreadPoolExecutor(8) as servers:
        list(servers.map(lambda rate: session.model_limits.set("acme/tiny", [rate]), rates))
    [(model, limits)] = session.model_limits.list()
    assert (model, len(limits)) == ("acme/tiny", 1)


async def test_limits_of_a_model_reach_a_running_server(session: RegistrySession) -> None:
    server = AsyncLimits(session.budgets, session.model_limits)
    await server.start()
    try:
        session.model_limits.set("acme/tiny", [QUOTA])
        set_at = time.monotonic()
        while not server.by_model:
            assert time.monotonic() - set_at < 5
            await asyncio.sleep(0.05)  # what follows the registry tells nobody
        assert server.by_model == {"acme/tiny": (QUOTA,)}
    finally:
        await server.stop()
