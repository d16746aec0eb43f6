"""What changes of a model while a server has it loaded, and what is said while it is being loaded."""

from __future__ import annotations

import asyncio

import numpy as np
from manager_doubles import MODEL, MakeRig
from safetensors.numpy import save_file

from panope_server.runtime.status import ModelState


async def test_a_model_imported_for_another_task_is_loaded_anew_whether_it_serves_or_failed(
    managers: MakeRig,
) -> None:
    made = managers()
    digest = made.add_model()
    await made.manager.start()
    await made.manager.load(MODEL)
    assert made.tasks() == {digest: "embed"}
    made.registry.import_folder(made.folder, MODEL, task_hints=["frame-interpolation"])
    await made.until(lambda: made.manager.status.known()[0].state is ModelState.FAILED)
    told = "a model of the task `frame-interpolation` is a graph that panope.json describes"
    assert made.manager.status.known()[0].state_reason == told
    made.registry.import_folder(made.folder, MODEL, task_hints=["embed"])
    await made.until(lambda: made.tasks() == {digest: "embed"})
    assert await made.embed(MODEL) == MODEL


async def test_a_loaded_model_is_loaded_anew_when_other_content_is_imported_and_not_before(managers: MakeRig) -> None:
    made = managers()
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


async def test_what_a_load_waits_for_is_said_until_it_is_over(managers: MakeRig) -> None:
    made = managers()
    made.add_model()
    await made.manager.start()
    loading = asyncio.create_task(made.manager.load(MODEL))
    await made.until(lambda: bool(made.manager.runtimes.all()))
    made.manager.runtimes.explain_loading(MODEL, "job 1 converts it")
    # Nothing is awaited in between: the load goes on then.
    assert made.manager.runtimes.all()[0].state_reason == "job 1 converts it"
    assert made.manager.loader.not_ready() == {MODEL: "job 1 converts it"}
    assert (await loading).state_reason == ""
    made.manager.runtimes.explain_loading(MODEL, "job 1 converts it")
    assert (await made.manager.get(MODEL)).state_reason == "", "it serves"
