"""A database that hangs: whoever asks it is told so, nobody else waits, and the process ends."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from panope_backends.errors import AvailabilityError, NotFoundError
from panope_server.runtime.async_registry import threads
from panope_server.runtime.async_registry.leases import ModelLeases
from panope_server.runtime.async_registry.threads import RegistryThreads
from panope_server.transport.rest.json.requests import LARGE_BYTES, off_loop

ENDS_WHILE_IT_HANGS = """
import asyncio, threading
from panope_server.runtime.async_registry.threads import call_registry, call_store
async def main():
    for kind in (call_registry, call_store):
        asyncio.ensure_future(kind(threading.Event().wait))
    await asyncio.sleep(0.1)
asyncio.run(main())
"""


@pytest.fixture
def hanging() -> Iterator[threading.Event]:
    """Set when the database answers again."""
    answers = threading.Event()
    yield answers
    answers.set()


async def test_answers_and_errors_come_back_as_they_are() -> None:
    pool = RegistryThreads("test", 2)
    assert await pool.run(lambda first, *, second: first + second, 1, second=2) == 3
    for error in (NotFoundError("no"), TimeoutError("its own"), KeyError("a defect")):

        def fail(error: Exception = error) -> None:
            raise error

        with pytest.raises(type(error)) as caught:
            await pool.run(fail)
        assert caught.value is error
    names = await asyncio.gather(*(pool.run(lambda: threading.current_thread().name) for _ in range(20)))
    assert set(names) <= {"test-0", "test-1"}


async def test_who_asks_is_told_after_a_while_and_then_at_once_until_it_answers_again(
    hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "STUCK_SECONDS", 0.05)
    pool = RegistryThreads("test", 2, answer_seconds=0.2)
    told = await asyncio.gather(*(pool.run(hanging.wait) for _ in range(5)), return_exceptions=True)
    assert [type(each) for each in told] == [AvailabilityError] * 5
    asked: list[int] = []
    with pytest.raises(AvailabilityError) as caught:
        await pool.run(asked.append, 1)
    assert (caught.value.reason, caught.value.retry_after_seconds) == ("database_unavailable", 1.0)
    hanging.set()
    while pool._is_stuck():
        await asyncio.to_thread(time.sleep, 0.001)
    assert await pool.run(lambda: "well") == "well"
    assert asked == []  # nobody waited for it any more


async def test_a_body_is_read_while_every_question_hangs(hanging: threading.Event) -> None:
    questions = [asyncio.ensure_future(threads.call_registry(hanging.wait)) for _ in range(64)]
    others = [asyncio.ensure_future(asyncio.to_thread(hanging.wait)) for _ in range(64)]
    await asyncio.sleep(0)
    assert await off_loop(LARGE_BYTES + 1, lambda: "read") == "read"
    hanging.set()
    await asyncio.gather(*questions, *others)


async def test_giving_a_lease_back_does_not_wait_for_a_database_that_hangs(
    hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FakeRetention:
        def lease(self, *_: object) -> object:
            return object()

        def release(self, _: object) -> None:
            hanging.wait()

    monkeypatch.setattr("panope_server.runtime.async_registry.leases.RELEASE_SECONDS", 0.05)
    leases = ModelLeases(FakeRetention())  # type: ignore[arg-type]  # only what is asked of it here
    await leases.hold("a/b", "digest")
    await leases.close()
    assert not hanging.is_set()


def test_the_process_ends_while_its_database_hangs() -> None:
    subprocess.run([sys.executable, "-c", ENDS_WHILE_IT_HANGS], check=True, timeout=60)
