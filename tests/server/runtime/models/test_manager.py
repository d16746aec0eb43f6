"""All models of a server: aliases, their variants beside the models, and what is to be loaded from the start."""

from __future__ import annotations

import asyncio
import errno
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from manager_doubles import MODEL, PRINCIPAL, MakeRig

from panope_backends.errors import AvailabilityError, NotFoundError, PreconditionError
from panope_registry.models.types import EVERY_MODEL, ModelFilter
from panope_registry.testing.forget import forget_model
from panope_server.runtime.async_registry import threads
from panope_server.runtime.models import manager as module
from panope_server.runtime.models.circuit_breaker import PAUSES
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.plan import LoadPlan
from panope_server.runtime.placement.planning.load_planner import LoadPlanner
from panope_server.runtime.status import ModelState


async def test_a_variant_runs_beside_its_model_as_long_as_an_alias_points_to_it(managers: MakeRig) -> None:
    made = managers()
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


async def test_an_alias_is_loaded_and_unloaded_as_what_it_points_to(managers: MakeRig) -> None:
    made = managers()
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


async def test_a_backend_that_is_none_is_refused_of_a_loaded_model_too(managers: MakeRig) -> None:
    made = managers()
    made.add_model()
    await made.manager.start()
    await made.manager.load(MODEL)
    with pytest.raises(PreconditionError, match="there is no backend `gpu` on this machine") as caught:
        await made.manager.load(MODEL, LoadConstraints(backend="gpu"))
    assert (caught.value.reason, caught.value.field) == ("no_backend", "backend")


async def test_what_is_to_be_loaded_from_the_start_is_loaded_as_soon_as_it_is_there(managers: MakeRig) -> None:
    made = managers(MODEL)
    await made.manager.start()
    await made.until(lambda: made.manager.loader.not_ready() == {MODEL: "no model or alias has this name"})
    made.add_model()
    await made.until(lambda: made.manager.loader.not_ready() == {})
    assert made.states[-1] == (MODEL, ModelState.SERVING)


async def test_an_alias_that_is_to_be_loaded_is_loaded_again_where_it_is_moved(managers: MakeRig) -> None:
    made = managers("prod")
    digest = made.add_model()
    made.aliases.set("prod", MODEL, expected="", **PRINCIPAL)
    await made.manager.start()
    await made.until(lambda: made.manager.loader.not_ready() == {})
    assert [key for key, _ in made.manager.runtimes.instances()] == [MODEL]
    made.aliases.set("prod", MODEL, variant_digest=digest, expected=MODEL, **PRINCIPAL)
    key = f"{MODEL}@{digest[:12]}"
    await made.until(lambda: (key, ModelState.SERVING) in made.states)
    assert made.manager.loader.not_ready() == {}


async def test_what_an_alias_was_moved_from_answers_until_the_new_target_serves(managers: MakeRig) -> None:
    made = managers()
    digest = made.add_model()
    old, new = f"{MODEL}@{digest[:12]}", "acme/next"
    made.add_models(new)
    made.aliases.set("prod", MODEL, variant_digest=digest, expected="", **PRINCIPAL)
    await made.manager.start()
    assert await made.embed("prod") == old
    (pid,) = made.pids(old)
    answered: list[str] = []

    async def keep_calling() -> None:
        while answered[-10:] != [new] * 10:
            key = await made.embed("prod")
            assert key != new or new in made.serving(), "no call waits for the load"
            answered.append(key)

    callers = [asyncio.create_task(keep_calling()) for _ in range(4)]
    made.aliases.set("prod", new, expected=None, **PRINCIPAL)
    async with asyncio.timeout(60):
        await asyncio.gather(*callers)
    assert old in answered
    await made.until(lambda: made.serving() == {new})
    await made.until(lambda: not psutil.pid_exists(pid))
    assert made.states.index((new, ModelState.SERVING)) < made.states.index((old, ModelState.UNLOADING))
    assert made.manager.metrics.loaded_models.totals.misses == 1, "the first call's"


async def test_an_alias_that_is_moved_to_what_cannot_be_loaded_answers_as_before(
    managers: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = managers()
    made.add_models("acme/old", "acme/broken")
    plan = LoadPlanner.plan

    async def plan_all_but_one(planner: LoadPlanner, resolved: ResolvedName, *more: Any) -> LoadPlan:
        if resolved.model == "acme/broken":
            raise PreconditionError("it is broken")
        return await plan(planner, resolved, *more)

    monkeypatch.setattr(LoadPlanner, "plan", plan_all_but_one)
    made.aliases.set("prod", "acme/old", expected="", **PRINCIPAL)
    await made.manager.start()
    assert await made.embed("prod") == "acme/old"
    made.aliases.set("prod", "acme/broken", expected=None, **PRINCIPAL)
    await made.until(lambda: ("acme/broken", ModelState.FAILED) in made.states)
    assert await made.embed("prod") == "acme/old"
    made.aliases.set("prod", "acme/old", expected=None, **PRINCIPAL)
    await made.until(lambda: not len(made.manager._moves))
    assert await made.embed("prod") == "acme/old"


async def test_calls_right_after_an_import_never_hear_that_the_model_was_unloaded(
    managers: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = managers()
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


async def test_an_alias_is_told_as_a_model_with_what_it_points_to(managers: MakeRig) -> None:
    made = managers()
    digest = made.add_model()
    made.aliases.set("exact:latest", MODEL, variant_digest=digest, expected="", **PRINCIPAL)
    made.aliases.set("best", MODEL, expected="", **PRINCIPAL)
    await made.manager.start()
    key = f"{MODEL}@{digest[:12]}"
    assert made.told[-1] == {"best": [MODEL], "exact:latest": [key]}
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


async def test_aliases_are_listed_among_the_models_by_name_and_by_what_they_point_to(managers: MakeRig) -> None:
    made = managers()
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
    forget_model(made.registry._database, MODEL)
    await made.manager.refresh()
    assert await listed() == []


async def test_what_a_job_has_just_made_is_seen_and_loaded_at_once(
    managers: MakeRig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever has seen the job succeed may name what it made, before the server looks at the registry again."""
    made = managers()
    source = made.add_model()
    await made.manager.refresh()
    monkeypatch.setattr(module, "REFRESH_SECONDS", 600.0)
    output = tmp_path / "converted"
    output.mkdir()
    (output / "model.onnx").write_bytes(b"converted")
    variant = made.registry.add_conversion(
        source, output, task="embed", format="onnx", precision="fp32", backend="cpu", engine_version="1"
    )
    assert variant.digest in {each.digest for each in (await made.manager.get(MODEL)).variants}
    loaded = await made.manager.load(MODEL, LoadConstraints(variant=variant.digest[:12]))
    assert [instance.variant_digest for instance in loaded.instances] == [variant.digest]
    monkeypatch.setattr(made.registry, "model", _away)
    assert (await made.manager.get(MODEL)).name == MODEL  # as it was last
    with pytest.raises(AvailabilityError):
        await made.manager.get("acme/never-seen")


def _away(_: str) -> None:
    raise AvailabilityError("away", reason="database_unavailable")


async def test_a_database_that_hangs_delays_no_call_to_a_model_that_is_loaded(
    managers: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every thread that asks the registry waits for it; calls ask it nothing, and have threads of their own."""
    made = managers()
    made.add_model()
    await made.manager.load(MODEL)
    answers = threading.Event()
    for name in ("change_token", "models", "model"):
        monkeypatch.setattr(made.registry, name, lambda *_, **__: answers.wait())
    questions = [asyncio.create_task(made.manager.list()) for _ in range(2 * threads.THREADS)]
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(60):
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
    managers: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panope_server.runtime.models.circuit_breaker.PAUSES", replace(PAUSES, base_seconds=0.01))
    made = managers(MODEL)
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
