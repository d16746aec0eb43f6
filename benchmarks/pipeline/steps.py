"""What all steps of a call's way cost it, from the key that it came with to the engine's queue and back.

    python -m benchmarks.pipeline.steps [--calls 5000]

In this process, on a registry of its own (SQLite), with the steps as `panope serve` has them: accounting, deadline,
validation, the model's name, the key's scopes, routes, rates and all others. The engine answers at once. Beside it is
what remains without the steps, which is the making of the worker's message and the reading of its answer. Of turns of a
hundred calls the median is told, and the least, which other work on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from benchmarks.pipeline.model_churn import add_models
from panope.worker.v1 import embed_pb2 as messages
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
from panope_server.app.parts import build_parts
from panope_server.config import Settings
from panope_server.observability.metrics import Metrics
from panope_server.pipeline.call import Call
from panope_server.pipeline.dispatch import Dispatch
from panope_server.pipeline.step import Pipeline
from panope_server.runtime.async_registry.keys import AsyncKeys
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.runtime.placement.placement import Placement
from panope_server.tasks.embed import EmbedInput
from panope_server.tasks.task import Request
from panope_server.transport.interceptors.auth import admitted
from panope_server.transport.permissions import PERMISSIONS

EMBED = PERMISSIONS["/panope.v1.EmbedService/Embed"]
#: Calls of each kind that take turns.
TURN = 100


class Answering:
    """In the place of the model's instances: each call has its answer at once."""

    def __init__(self) -> None:
        vector = messages.EmbedOutput(vectors=bytes(4 * 384), dimensions=384, token_counts=[6])
        self._answer = vector.SerializeToString()

    def facts_of(self, _: ResolvedModel) -> object:
        """Nothing is known."""
        return None

    async def run(
        self,
        model: ResolvedModel,
        requests: Sequence[Request],
        context: CallContext,
        placement: Placement,
        put: Callable[[bytes], Awaitable[None]],
    ) -> None:
        """The same answer to each."""
        del model, requests, context, placement
        await put(self._answer)


async def timed(run: Callable[[], Awaitable[object]]) -> float:
    """Microseconds of the processor for one of some calls."""
    begun = time.process_time()
    for _ in range(TURN):
        await run()
    return (time.process_time() - begun) / TURN * 1e6


async def measure(home: Path, calls: int) -> None:
    """Prints both, and their difference."""
    # A model that serves: nothing of it has to be fetched.
    settings = Settings(home=str(home), log_requests=False, lazy_load=False)
    peppers = Peppers.open(home, {})
    with RegistrySession.open(home / "registry.sqlite3", home) as session:
        (model,) = add_models(session.registry, home, 1)
        limits = (Limit.parse("1M/s", Counted.REQUESTS, "rate"), Limit.parse("100G/day", Counted.TOKENS, "tokens"))
        patterns = ModelPatterns.parse(["acme/*"])
        spec = KeySpec(name="bench", scopes=Scopes.parse(["embed:*"]), models=patterns, limits=limits)
        key = session.keys.create(spec, peppers=peppers, created_by="bench").key
        cache = KeyCache(AsyncKeys(session.keys), peppers)
        await cache.refresh()
        access = KeyAccess(cache, Failures(), is_required=True)
        parts = build_parts(settings, session, Metrics(), access)
        answering = Answering()
        parts.models.dispatcher.run = answering.run  # type: ignore[method-assign]  # it has a model's instances
        resolved = await parts.models.directory.resolve(model)
        bare = Pipeline([], Dispatch(answering))
        caller = Caller({"authorization": f"Bearer {key}"}, "127.0.0.1")

        def call() -> Call:
            return Call(model, EmbedInput(["a text of some words"]), "embed", "EmbedService/Embed", "id")

        async def with_steps() -> None:
            set_principal(await admitted(access, caller, EMBED))
            await parts.services.pipeline.run(call())

        async def without() -> None:
            made = call()
            made.resolved = resolved
            await bare.run(made)

        found: dict[str, list[float]] = {"with all steps": [], "without": []}
        for turn in range(calls // TURN + 1):
            for name, run in (("with all steps", with_steps), ("without", without)):
                measured = await timed(run)
                if turn:  # the first warms up
                    found[name].append(measured)
        await parts.limits.stop()
    medians, least = ([of(found[name]) for name in ("with all steps", "without")] for of in (statistics.median, min))
    print(f"{'µs of the processor a call':<30}{'median':>10}{'least':>10}")
    for row, name in enumerate(("with all steps", "without")):
        print(f"{name:<30}{medians[row]:10.1f}{least[row]:10.1f}")
    print(f"{'the steps':<30}{medians[0] - medians[1]:10.1f}{least[0] - least[1]:10.1f}")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=5000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), arguments.calls))


if __name__ == "__main__":
    main()
