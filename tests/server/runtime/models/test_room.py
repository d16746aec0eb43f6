"""More models than may be loaded, on real worker processes: who makes room, who never does, and what faults leave."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import time

import psutil
import pytest
from manager_doubles import MakeRig, Rig

from panope_backends.errors import AvailabilityError, CapacityError, PanopeError
from panope_server.runtime.status import ModelState

A, B, C, FRAGILE = "acme/a", "acme/b", "acme/c", "acme/fragile"


async def started(made: Rig, *names: str) -> Rig:
    made.add_models(*names)
    await made.manager.start()
    return made


def reserved(made: Rig) -> int:
    return sum(usage.reserved_bytes for usage in made.manager.memory.usage())


async def test_the_least_recently_used_model_makes_room_and_its_process_is_gone(managers: MakeRig) -> None:
    made = await started(managers(max_loaded_models=2), A, B, C)
    for name in (A, B, A):
        await made.embed(name)
    (pid,) = made.pids(B)
    await made.embed(C)
    assert made.serving() == {A, C}
    assert not psutil.pid_exists(pid)
    await made.embed(B)
    assert made.serving() == {B, C}
    totals = made.manager.metrics.loaded_models.totals
    assert (totals.hits, totals.misses, totals.evictions, totals.loads, totals.unloads) == (1, 4, 2, 4, 2)
    assert totals.load_seconds > totals.loads * 0.01


async def test_memory_is_counted_by_estimate_then_as_measured_and_given_back(managers: MakeRig) -> None:
    made = await started(managers(max_memory_bytes="500MiB"), A, B, C)
    await made.embed(A)
    assert reserved(made) > 190 << 20, "a worker, as long as nobody knows better"
    (pid,) = made.pids(A)
    await made.until(lambda: reserved(made) < 190 << 20)
    assert reserved(made) == pytest.approx(psutil.Process(pid).memory_info().rss, rel=0.2)
    await made.manager.unload(A)
    assert reserved(made) == 0
    await made.embed(A)
    assert reserved(made) < 190 << 20, "what it took the last time"
    for name in (B, C, A, B):
        await made.embed(name)
        assert reserved(made) <= 500 << 20


async def test_a_model_that_answers_a_call_is_never_evicted_and_the_load_is_told_so(managers: MakeRig) -> None:
    made, let_go = await started(managers(max_loaded_models=1), A, B), asyncio.Event()
    call = asyncio.create_task(made.embed(A, until=let_go))
    await made.until(lambda: A in made.serving())
    with pytest.raises(CapacityError, match=r"another model has [0-9.]+ MB: 1 answering calls$") as caught:
        await made.embed(B)
    assert caught.value.retry_after_seconds == 1.0
    # It is loaded, which the types do not know.
    assert made.manager.runtimes.get(B).state is ModelState.UNLOADED, "want of room is no failure of the model"  # type: ignore[union-attr]
    let_go.set()
    assert await call == A
    assert await made.embed(B) == B
    assert made.serving() == {B}


async def test_what_is_to_be_loaded_from_the_start_never_makes_room(managers: MakeRig) -> None:
    made = await started(managers(A, max_loaded_models=1), A, B)
    await made.until(lambda: not made.manager.loader.not_ready())
    with pytest.raises(CapacityError, match="1 kept for ever") as caught:
        await made.embed(B)
    assert caught.value.retry_after_seconds is None
    await made.embed(A, keep_alive=0)
    assert made.serving() == {A}, "no call ends it either"


async def test_what_found_no_room_at_the_start_is_loaded_when_there_is_some(managers: MakeRig) -> None:
    made, let_go = await started(managers("b", max_loaded_models=1), A, B), asyncio.Event()
    call = asyncio.create_task(made.embed(A, until=let_go))
    await made.until(lambda: A in made.serving())
    made.aliases.set("b", B, expected=None, principal="a test", reason="")
    await made.until(lambda: "another model has" in made.manager.loader.not_ready().get(B, ""))
    let_go.set()
    await call
    await made.until(lambda: made.serving() == {B})


async def test_an_idle_model_goes_when_its_time_is_over_and_a_call_sets_it_anew(managers: MakeRig) -> None:
    made = await started(managers(keep_alive="1h", keep_alive_by_model=("acme/b=0",)), A, B)
    await made.embed(A)
    assert made.manager.runtimes.get(A).keep_alive.ends_at is not None  # type: ignore[union-attr]  # it is loaded
    (pid,) = made.pids(A)
    await made.embed(A, keep_alive=0)
    await made.until(lambda: not psutil.pid_exists(pid))
    await made.embed(B)
    await made.until(lambda: made.serving() == set())
    await made.manager.load(A, keep_alive=0.05)
    await made.until(lambda: made.serving() == set())
    assert made.manager.metrics.loaded_models.totals.expirations == 3


async def test_a_models_record_says_how_long_it_stays_unless_its_load_does(managers: MakeRig) -> None:
    made = await started(managers(keep_alive="1h"), A, B)
    made.registry.set_keep_alive(A, 0.0)
    made.registry.set_keep_alive(B, 0.05)
    await made.manager.refresh()
    await made.embed(A)
    await made.manager.load(B, keep_alive=3600)
    await made.until(lambda: made.serving() == {B})
    assert made.manager.status.view(made.registry.model(B)).activity.keep_alive_seconds == 3600


async def test_a_loaded_model_takes_over_at_once_what_its_record_says_anew(managers: MakeRig) -> None:
    made = await started(managers(), A)
    await made.embed(A)
    view = made.manager.status.view
    made.registry.set_keep_alive(A, -1.0)
    await made.manager.refresh()
    assert view(made.registry.model(A)).activity.keep_alive_seconds == math.inf
    made.registry.set_keep_alive(A, 0.05)
    await made.manager.refresh()
    await made.until(lambda: made.serving() == set())
    made.registry.set_keep_alive(A, None)
    assert view(made.registry.model(A)).default_keep_alive_seconds is None


async def test_a_call_that_comes_while_its_model_makes_room_waits_and_is_answered(managers: MakeRig) -> None:
    made = await started(managers(max_loaded_models=2), A, B)
    await made.embed(A)
    runtime = made.manager.runtimes.get(A)
    assert runtime is not None
    runtime.evict("memory")
    assert runtime.state is ModelState.UNLOADING
    assert await asyncio.gather(made.embed(A), made.manager.load(A)) is not None
    assert made.serving() == {A}


async def test_loads_at_once_reserve_before_they_start_and_never_exceed_the_budget(managers: MakeRig) -> None:
    made = await started(managers(max_memory_bytes="400MiB"), A, B, C)
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, made.manager.memory.loaded_models())
            assert sum(made.manager.memory.of(name) for name in (A, B, C)) <= 400 << 20
            await asyncio.sleep(0.005)

    watcher = asyncio.create_task(watch())
    answers = await asyncio.gather(*(made.embed(name) for name in (A, B, C)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert [type(error) for error in refused] == [CapacityError], "two of 192 MiB each fit, by estimate"
    assert (most, watcher.done()) == (2, False)
    watcher.cancel()


async def test_kill_9_of_a_worker_that_makes_room_lets_the_load_go_on(managers: MakeRig) -> None:
    made = await started(managers(max_loaded_models=1), A, B)
    await made.embed(A)
    (pid,) = made.pids(A)
    os.kill(pid, signal.SIGSTOP)  # it cannot end by itself
    load = asyncio.create_task(made.embed(B))
    # It is loaded, which the types do not know.
    await made.until(lambda: made.manager.runtimes.get(A).state is ModelState.UNLOADING)  # type: ignore[union-attr]
    assert not load.done()
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    assert await load == B
    assert time.monotonic() - began < 20
    assert made.serving() == {B}


async def test_a_load_that_fails_gives_its_room_to_the_next(managers: MakeRig) -> None:
    made = await started(managers(max_loaded_models=1), A, FRAGILE)
    failing = asyncio.create_task(made.embed(FRAGILE))
    await made.until(lambda: reserved(made) > 0)
    with pytest.raises(CapacityError, match="1 loading"):
        await made.embed(A)
    with pytest.raises(AvailabilityError):
        await failing
    assert reserved(made) == 0
    assert await made.embed(A) == A


async def test_a_caller_that_goes_away_while_a_load_waits_for_room_leaves_nothing_reserved(managers: MakeRig) -> None:
    made = await started(managers(max_loaded_models=1), A, B)
    await made.embed(A)
    os.kill(made.pids(A)[0], signal.SIGSTOP)
    load = asyncio.create_task(made.manager.load(B))
    await made.until(lambda: made.manager.runtimes.get(B) is not None and A not in made.serving())
    await asyncio.gather(made.manager.unload(B), load, return_exceptions=True)
    assert isinstance(load.exception(), PanopeError)
    assert made.manager.memory.of(B) == 0
    os.kill(made.pids(A)[0], signal.SIGKILL)
    await made.until(lambda: reserved(made) == 0)


async def test_a_server_that_stops_while_models_load_leaves_no_process_and_no_reservation(managers: MakeRig) -> None:
    made = await started(managers(), A, B)
    calls = [asyncio.create_task(made.embed(name)) for name in (A, B)]
    await made.until(lambda: bool(made.pids(A)) and bool(made.pids(B)))
    pids = [*made.pids(A), *made.pids(B)]
    await made.manager.close()
    assert all(isinstance(error, PanopeError) for error in await asyncio.gather(*calls, return_exceptions=True))
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert reserved(made) == 0
