"""What a key costs each call: knowing it, the method's scope, the task's scope, and its limits.

    python -m benchmarks.pipeline.access

On a registry of its own (SQLite), without a server: the steps alone, one call after another.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from panope_registry.access.key_types import KeySpec
from panope_registry.access.limits import Counted, Limit
from panope_registry.access.pepper import Peppers
from panope_registry.access.scopes import ModelPatterns, Scopes
from panope_registry.session import RegistrySession
from panope_server.access.authentication import KeyAccess
from panope_server.access.caller import Caller
from panope_server.access.failures import Failures
from panope_server.access.key_cache import KeyCache
from panope_server.access.principal import set_principal
from panope_server.pipeline.authorise import Authorise
from panope_server.pipeline.call import AnswerUsage, Call
from panope_server.pipeline.rate import Rate
from panope_server.runtime.async_registry.keys import AsyncKeys
from panope_server.runtime.async_registry.limits import AsyncLimits
from panope_server.tasks.embed import EmbedInput
from panope_server.transport.interceptors.auth import admitted
from panope_server.transport.permissions import PERMISSIONS

CALLS = 20_000
EMBED = PERMISSIONS["/panope.v1.EmbedService/Embed"]


async def measured(name: str, run: Callable[[], Awaitable[object]]) -> None:
    for _ in range(CALLS // 10):
        await run()
    begun, processor = time.perf_counter(), time.process_time()
    for _ in range(CALLS):
        await run()
    wall = (time.perf_counter() - begun) / CALLS * 1e6
    print(
        f"{name:<44}{wall:8.1f} µs a call, {(time.process_time() - processor) / CALLS * 1e6:6.1f} µs of the processor"
    )


async def measure(session: RegistrySession, peppers: Peppers) -> None:
    limits = (Limit.parse("1M/s", Counted.REQUESTS, "rate"), Limit.parse("100G/day", Counted.TOKENS, "tokens"))
    patterns = ModelPatterns.parse(["acme/*"])
    spec = KeySpec(name="bench", scopes=Scopes.parse(["embed:*"]), models=patterns, limits=limits)
    key = session.keys.create(spec, peppers=peppers, created_by="bench").key
    cache = KeyCache(AsyncKeys(session.keys), peppers)
    await cache.refresh()
    access = KeyAccess(cache, Failures(), is_required=True)
    caller = Caller({"authorization": f"Bearer {key}"}, "127.0.0.1")
    kept = AsyncLimits(session.budgets, session.model_limits)
    authorise, rate = Authorise(access), Rate(kept.limiter, kept)

    async def answer(_: Call) -> None:
        """The rest of the way."""

    def call() -> Call:
        made = Call("acme/tiny", EmbedInput(["a text of some words"]), "embed", "EmbedService/Embed", "id")
        made.usage = AnswerUsage()
        return made

    async def authenticate() -> None:
        set_principal(await admitted(access, caller, EMBED))

    async def steps() -> None:
        await authorise(call(), lambda made: rate(made, answer))

    async def everything() -> None:
        await authenticate()
        await steps()

    async def nothing() -> None:
        await answer(call())

    await measured("a call without any of it", nothing)
    await measured("the key and the method's scope", authenticate)
    await measured("the task's scope and two limits", steps)
    await measured("all together", everything)
    await kept.stop()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with RegistrySession.open(home / "registry.sqlite3", home) as session:
            asyncio.run(measure(session, Peppers.open(home, {})))


if __name__ == "__main__":
    main()
