"""Worker processes for calls of high priority, and those that make way for them."""

from __future__ import annotations

import os

from manager_doubles import MODEL, MakeRig

from panope_server.runtime.call_context import CallContext
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.placement import Placement
from panope_server.tasks.catalog import requests_of
from panope_server.tasks.embed import EmbedInput


async def test_a_model_has_a_worker_more_for_high_priority_to_which_the_others_give_way(managers: MakeRig) -> None:
    made = managers(high_priority_instances=1)
    made.add_model()
    await made.manager.start()
    await made.manager.load(MODEL)
    await made.until(lambda: len(made.pids(MODEL)) == 2)
    others, kept = made.pids(MODEL)
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, kept) == niceness
    assert os.getpriority(os.PRIO_PROCESS, others) == min(19, niceness + 19)

    async def ran_on(priority: int) -> str:
        async def put(_: bytes) -> None:
            pass

        model, placement = await made.manager.call_directory.resolve(MODEL), Placement()
        context = CallContext("r1", priority=priority)
        await made.manager.dispatcher.run(model, requests_of(EmbedInput(texts=["hello"])), context, placement, put)
        return placement.instance

    assert [await ran_on(priority) for priority in (1, 0, -1)] == [f"{MODEL}#2", f"{MODEL}#1", f"{MODEL}#1"]
    await made.manager.load(MODEL, LoadConstraints(instances=1))
    assert made.pids(MODEL) == [others, kept], "it has the one that is asked for, and the other beside"
