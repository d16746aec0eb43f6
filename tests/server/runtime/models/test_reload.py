"""What serves is replaced: the new before the old ends, where memory allows; and no call is lost meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import psutil
import pytest
from manager_doubles import MODEL, MakeRig, Rig
from safetensors.numpy import save_file

from panope_backends.errors import InternalError, PreconditionError
from panope_server.runtime.models.groups.instance_group import InstanceGroup
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.status import ModelState


@asynccontextmanager
async def calls_all_the_time(made: Rig) -> AsyncIterator[list[str]]:
    """Calls the model until the block ends; the answers, of which none may be an error."""
    answers: list[str] = []

    async def call() -> None:
        while True:
            answers.append(await made.embed(MODEL))

    calls = [asyncio.create_task(call()) for _ in range(4)]
    try:
        yield answers
        assert not [error for each in calls if each.done() and (error := each.exception())]
    finally:
        for each in calls:
            each.cancel()


def replace_content(made: Rig) -> str:
    """The digest of what the model has by now."""
    save_file({"weight": np.ones((4, 4), np.float32)}, made.folder / "model.safetensors")
    return made.registry.import_folder(made.folder, MODEL, task_hints=["embed"]).variants[0].digest


async def test_other_content_serves_before_the_old_ends_and_no_call_is_lost(managers: MakeRig) -> None:
    made = managers()
    made.add_model()
    await made.manager.start()
    await made.manager.load(MODEL)
    (pid,) = made.pids(MODEL)
    made.states.clear()
    async with calls_all_the_time(made) as answers:
        digest = replace_content(made)
        await made.until(lambda: len(made.pids(MODEL)) == 2)
        assert psutil.pid_exists(pid), "both run for a while"
        await made.until(lambda: made.tasks() == {digest: "embed"})
        await made.until(lambda: not psutil.pid_exists(pid))
        so_far = len(answers)
        await made.until(lambda: len(answers) > so_far)
    assert {state for _, state in made.states} == {ModelState.SERVING}


async def test_without_memory_for_both_the_old_ends_first_and_calls_wait(
    managers: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InstanceGroup, "measure", lambda _, of_guests: 0)  # it would be seen to take less
    made = managers(max_memory_bytes="250MiB")  # an estimate of 192 MiB and a megabyte, once
    made.add_model()
    await made.manager.start()
    await made.manager.load(MODEL)
    runtime = made.manager.runtimes.get(MODEL)
    assert runtime is not None
    told: list[str] = []
    made.manager.runtimes._on_state = lambda _key, _state: told.append(runtime.state_reason)
    async with calls_all_the_time(made):
        digest = replace_content(made)
        await made.until(lambda: made.tasks() == {digest: "embed"})
    assert "memory does not hold the old and the new at once" in told


async def test_another_number_of_instances_replaces_the_one_and_calls_take_turns(managers: MakeRig) -> None:
    made = managers()
    made.add_model()
    await made.manager.start()
    await made.manager.load(MODEL)
    before = made.pids(MODEL)
    async with calls_all_the_time(made):
        await made.manager.load(MODEL, LoadConstraints(instances=2))
        await made.until(lambda: len(made.pids(MODEL)) == 2 and before[0] not in made.pids(MODEL))
    pids = made.pids(MODEL)
    await made.manager.load(MODEL)
    await made.manager.load(MODEL, LoadConstraints(instances=2))
    assert made.pids(MODEL) == pids, "that is how it runs"


async def test_what_cannot_be_loaded_replaces_nothing(rig) -> None:
    made = rig()
    made.impossible = LoadConstraints(precision="fp64")
    made.let_go.set()
    await made.runtime.load()
    pids = made.pids()
    with pytest.raises(PreconditionError, match="no device"):
        await made.runtime.load(LoadConstraints(precision="fp64"))
    assert (await made.embed("hello")).count == 1
    assert (made.runtime.state, made.runtime.state_reason, made.pids()) == (ModelState.SERVING, "", pids)


async def test_a_reload_that_fails_says_so_and_is_tried_again_later(rig) -> None:
    made = rig()
    await made.runtime.load()
    made.failure = InternalError("the disk is away")
    await made.runtime.reload("embed")
    async with asyncio.timeout(60):
        while "the disk is away" not in made.runtime.state_reason:  # noqa: ASYNC110 - has no event of its own
            await asyncio.sleep(0.005)
    assert made.runtime.state is ModelState.SERVING
    assert (await made.embed("hello")).count == 1
    made.failure = None
    await made.runtime.load(LoadConstraints(instances=2))
    assert made.runtime.state_reason == ""
