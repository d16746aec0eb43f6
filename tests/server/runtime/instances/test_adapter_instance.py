"""An adapter in the worker of its base: one window, one worker, two models that are told apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from instance_doubles import MODEL, PLAN, Bench, Worker, bench

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import AvailabilityError, InstanceLostError, InternalError, PreconditionError
from panope_backends.worker.requests import failure
from panope_server.config import Workers
from panope_server.runtime.instances.adapter_instance import AdapterInstance
from panope_server.runtime.instances.instance import Instance
from panope_server.runtime.placement.plan import LoadPlan
from panope_server.runtime.status import InstanceState, ModelState
from panope_server.tasks.embed import EmbedInput


@dataclass
class Pair:
    """A base with one worker, and an adapter in it."""

    base: Bench
    adapter: Bench
    instance: AdapterInstance

    @property
    def worker(self) -> Worker:
        return self.base.workers[0]

    def frames(self, kind: str) -> list[wire.ServerFrame]:
        return [frame for frame in self.worker.transport.sent if frame.WhichOneof("body") == kind]

    def begin(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.instance.start())

    def told(self, **outcome: wire.Ready | wire.Failure) -> None:
        number = self.instance.number
        self.worker.tell(wire.WorkerFrame(adapter=wire.AdapterLoaded(model_number=number, **outcome)))

    async def load(self) -> None:
        loading = self.begin()
        await self.base.settle()
        self.told(ready=wire.Ready())
        await loading
        self.adapter.runtime.instance_ready(self.instance)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    base, adapter = bench(window=2), bench()
    base.start_worker()
    plan = replace(PLAN, model=f"{MODEL}:sql", host=MODEL, model_number=adapter.runtime._number)

    async def find_host(_: LoadPlan) -> Instance:
        return base.workers[0].instance

    made = Pair(base, adapter, AdapterInstance("sql#1", plan, Workers(), adapter.runtime, find_host))
    yield made
    await base.close()
    await adapter.close()


async def test_the_worker_is_asked_for_the_adapter_and_then_for_its_requests(pair: Pair) -> None:
    await pair.load()
    (load,) = pair.frames("load_adapter")
    assert (load.load_adapter.model, load.load_adapter.folder) == (f"{MODEL}:sql", "model")
    pair.base.call(EmbedInput(texts=["base"]))
    pair.adapter.call(EmbedInput(texts=["adapter"]))
    await pair.base.settle()
    of_base, of_adapter = pair.frames("request")
    assert of_base.id != of_adapter.id
    assert of_adapter.request.model_number == load.load_adapter.model_number != of_base.request.model_number
    pair.worker.answer(of_adapter.id)
    pair.worker.answer(of_base.id)
    first, second = await pair.base.calls[0], await pair.adapter.calls[0]
    assert [list(first.token_counts), list(second.token_counts)] == [[4], [7]]


async def test_room_that_is_freed_is_offered_to_both_in_turn(pair: Pair) -> None:
    await pair.load()
    for number in range(4):
        pair.base.call(EmbedInput(texts=[f"base {number}"]))
        pair.adapter.call(EmbedInput(texts=[f"adapter {number}"]))
    await pair.base.settle()
    for done in range(7):
        pair.worker.answer(pair.frames("request")[done].id)
        await pair.base.settle()
    texts = [pair.worker.texts(frame.id)[0].split()[0] for frame in pair.frames("request")]
    assert sorted(texts[:4]) == ["adapter", "adapter", "base", "base"]


async def test_a_request_of_the_base_that_is_given_up_makes_room_for_one_of_the_adapter(pair: Pair) -> None:
    await pair.load()
    for _ in range(2):
        pair.base.call(EmbedInput(texts=["base"]))
    await pair.base.settle()
    pair.adapter.call(EmbedInput(texts=["adapter"]))
    await pair.base.settle()
    assert len(pair.frames("request")) == 2
    pair.base.calls[0].cancel()
    await pair.base.settle()
    assert pair.worker.texts(pair.frames("request")[-1].id) == ["adapter"]


async def test_an_adapter_ends_after_its_own_calls_and_the_worker_goes_on(pair: Pair) -> None:
    await pair.load()
    pair.base.call(EmbedInput(texts=["base"]))
    pair.adapter.call(EmbedInput(texts=["adapter"]))
    await pair.base.settle()
    draining = asyncio.create_task(pair.instance.drain(30.0))
    await pair.base.settle()
    assert not draining.done()
    of_base, of_adapter = (frame.id for frame in pair.frames("request"))
    pair.worker.answer(of_adapter)
    await draining
    assert pair.instance.closed.is_set()
    assert len(pair.frames("unload_adapter")) == 1
    assert not pair.frames("drain")
    pair.worker.answer(of_base)
    await pair.base.calls[0]


async def test_calls_that_do_not_end_in_time_fail_with_their_adapter(pair: Pair) -> None:
    await pair.load()
    pair.adapter.call(EmbedInput(texts=["adapter"]))
    await pair.base.settle()
    await pair.instance.drain(0.0)
    with pytest.raises(AvailabilityError, match="was unloaded"):
        await pair.adapter.calls[0]
    assert [frame.id for frame in pair.frames("cancel")] == [frame.id for frame in pair.frames("request")]
    assert pair.worker.instance._in_flight.items == 0


async def test_a_worker_that_is_lost_is_lost_to_both(pair: Pair) -> None:
    await pair.load()
    pair.base.call(EmbedInput(texts=["base"]))
    pair.adapter.call(EmbedInput(texts=["adapter"]))
    await pair.base.settle()
    pair.worker.lose()
    for made in (pair.base, pair.adapter):
        with pytest.raises(InstanceLostError):
            await made.calls[0]
        assert not made.runtime.pool.instances
        assert made.runtime.state is ModelState.LOADING
    assert pair.instance.closed.is_set()


async def test_a_worker_that_does_not_answer_is_silent_for_both(pair: Pair) -> None:
    await pair.load()
    pair.worker.instance._went_silent()
    assert pair.instance.state is InstanceState.UNRESPONSIVE
    assert pair.adapter.runtime.state is ModelState.LOADING
    pair.worker.tell(wire.WorkerFrame(heartbeat=wire.Heartbeat()))
    assert pair.adapter.runtime.state is ModelState.SERVING


async def test_an_adapter_that_cannot_run_there_is_told_why_and_leaves_no_trace(pair: Pair) -> None:
    loading = pair.begin()
    await pair.base.settle()
    pair.told(failure=failure(PreconditionError("its rank is 900")))
    with pytest.raises(PreconditionError, match="its rank is 900"):
        await loading
    assert pair.instance.closed.is_set()
    assert not pair.worker.instance._guests


async def test_a_worker_that_is_lost_while_it_loads_an_adapter_ends_the_load(pair: Pair) -> None:
    loading = pair.begin()
    await pair.base.settle()
    pair.worker.lose()
    with pytest.raises(InternalError, match="ended while it loaded the adapter"):
        await loading


async def test_while_an_adapter_is_loaded_anew_the_old_and_the_new_are_told_apart(pair: Pair) -> None:
    await pair.load()
    old = pair.instance
    pair.adapter.call(EmbedInput(texts=["of the old"]))
    await pair.base.settle()
    pair.instance = AdapterInstance("sql#2", old.plan, Workers(), pair.adapter.runtime, old._find_host)
    await pair.load()
    pair.adapter.runtime.pool.instances.remove(old)
    pair.adapter.call(EmbedInput(texts=["of the new"]))
    await pair.base.settle()
    of_old, of_new = pair.frames("request")
    first, second = (frame.load_adapter.model_number for frame in pair.frames("load_adapter"))
    assert (of_old.request.model_number, of_new.request.model_number) == (first, second)
    assert (of_old.request.task, pair.worker.texts(of_new.id)) == (of_new.request.task, ["of the new"])
    draining = asyncio.create_task(old.drain(30.0))
    pair.worker.answer(of_old.id)
    await draining
    assert [frame.unload_adapter.model_number for frame in pair.frames("unload_adapter")] == [first]
    pair.worker.answer(of_new.id)
    await asyncio.gather(*pair.adapter.calls)
    pair.worker.lose()
    assert pair.instance.closed.is_set(), "the new one hears of its worker's end"


async def test_a_new_place_that_cannot_be_loaded_does_not_take_the_old_one_along(pair: Pair) -> None:
    await pair.load()
    old = pair.instance
    pair.instance = AdapterInstance("sql#2", old.plan, Workers(), pair.adapter.runtime, old._find_host)
    loading = pair.begin()
    await pair.base.settle()
    pair.told(failure=failure(PreconditionError("there are 8 already")))
    with pytest.raises(PreconditionError):
        await loading
    assert [frame.unload_adapter.model_number for frame in pair.frames("unload_adapter")] == [pair.instance.number]
    pair.adapter.call(EmbedInput(texts=["still"]))
    await pair.base.settle()
    pair.worker.answer(pair.frames("request")[0].id)
    await pair.adapter.calls[0]
