"""The task of the documentation's page, which Panope does not bring: its answers are streams of many parts."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest
from structlog.testing import capture_logs

from panope_backends.errors import DeadlineError, InstanceLostError, InternalError
from panope_registry.models.types import ModelEntry
from panope_server.config import Limits
from panope_server.observability.metrics import Metrics
from panope_server.pipeline.accounting.step import Accounting
from panope_server.pipeline.call import Call
from panope_server.pipeline.deadline.step import Deadline
from panope_server.pipeline.dispatch import Dispatch
from panope_server.pipeline.step import Pipeline
from panope_server.pipeline.validate import Validate
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.instances.part_stream import PAUSE_PARTS
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.placement import Placement
from panope_server.tasks import catalog
from panope_server.tasks.catalog import register_installed, task_named
from panope_server.tasks.task import Request
from panope_server.transport.errors import code_name

MODEL = "acme/echo"


@pytest.fixture(scope="module")
def package(read_page: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The package of the page about tasks, installed and registered; this process sees it as the server would."""
    reader = read_page("writing-a-task.md", "panope-countdown", tmp_path_factory.mktemp("reader"))
    (reader.folder / "panope-countdown/panope_countdown/__init__.py").touch()
    reader.do("uv pip install")
    reader.do("make_model.py")
    packages = str(reader.environment.packages)
    sys.path.append(packages)
    importlib.invalidate_caches()
    with mock.patch.dict(catalog._BY_NAME), mock.patch.dict(catalog._BY_INPUT):  # no other test has this task
        register_installed()
        yield reader
    sys.path.remove(packages)


class OneModel:
    """Runs every call on one model."""

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime

    def facts_of(self, _: ResolvedModel) -> object:
        return self.runtime.facts

    async def run(
        self,
        _: ResolvedModel,
        requests: Sequence[Request],
        context: CallContext,
        placement: Placement,
        put: Callable[[bytes], Awaitable[None]],
    ) -> None:
        await self.runtime.run(requests, context, placement, put)


class Served:
    """The whole way of a call, to a worker that counts down."""

    def __init__(self, rig: Any) -> None:
        self.rig = rig
        self.metrics = Metrics()
        account = Accounting(self.metrics, code_name, log_requests=True)
        steps = [account, Deadline(Limits()), Validate(Limits())]
        self.pipeline = Pipeline(steps, Dispatch(OneModel(rig.runtime)))
        countdown = task_named("countdown")
        assert countdown is not None
        self.input_type: Any = countdown.input_type

    def call(self, start: int, stop_at: int = -1) -> Call:
        entry = ModelEntry(MODEL, "countdown", "", datetime(2026, 1, 2, tzinfo=UTC), {}, (), {})
        call = Call(MODEL, self.input_type(start, stop_at), "countdown", "Test/Countdown", "r1")
        call.resolved = ResolvedModel(ResolvedName(MODEL), entry)
        return call

    async def numbers(self, call: Call, numbers: list[int] | None = None) -> list[int]:
        """The numbers of all parts, which are added to `numbers` as they come."""
        numbers = [] if numbers is None else numbers
        async with self.pipeline.stream(call) as parts:
            async for part in parts:
                numbers += part.numbers
        return numbers

    def held(self) -> int:
        return sum(instance.in_flight_items for instance in self.rig.runtime.pool.instances)


@pytest.fixture
async def served(rig: Callable[..., Any], package: Any, monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.setenv("PYTHONPATH", str(package.environment.packages))
    made = Served(rig(task="countdown", onnx=package.folder / "countdown-model"))
    await made.rig.runtime.load()
    return made


async def test_parts_come_in_order_and_the_answer_ends_with_the_last(served: Served) -> None:
    with capture_logs() as lines:
        assert await served.numbers(served.call(5)) == [4, 3, 2, 1, 0]
    (line,) = [line for line in lines if line["event"] == "request_finished"]
    assert (line["code"], line["output_units"], line["model"]) == ("OK", 5, MODEL)
    labels = {"interface": "Test/Countdown", "model": MODEL}
    assert served.metrics.registry.get_sample_value("panope_first_part_duration_seconds_count", labels) == 1
    assert served.held() == 0


async def test_a_caller_that_wants_no_stream_gets_the_parts_joined(served: Served) -> None:
    assert (await served.pipeline.run(served.call(1))).numbers == [0]
    assert (await served.pipeline.run(served.call(3))).numbers == [2, 1, 0]


async def test_an_error_after_the_first_part_follows_the_parts_before_it(served: Served) -> None:
    numbers: list[int] = []
    with capture_logs() as lines, pytest.raises(InternalError, match="was stopped"):
        await served.numbers(served.call(5, stop_at=2), numbers)
    assert numbers == [4, 3]
    (line,) = [line for line in lines if line["event"] == "request_finished"]
    assert (line["code"], line["output_units"]) == ("INTERNAL", 2)
    assert await served.numbers(served.call(2)) == [1, 0], "the worker goes on"


async def test_calls_take_turns_on_the_device(served: Served) -> None:
    async with served.pipeline.stream(served.call(1 << 40)) as parts:
        await anext(parts)
        assert await asyncio.wait_for(served.numbers(served.call(3)), 10) == [2, 1, 0]


async def test_a_caller_that_leaves_in_mid_stream_frees_its_place_within_100_ms(served: Served) -> None:
    async with served.pipeline.stream(served.call(1 << 40)) as parts:
        assert (await anext(parts)).numbers == [(1 << 40) - 1]
        assert served.held() == 1
        left = time.monotonic()
    assert served.held() == 0
    assert time.monotonic() - left < 0.1
    cancelled = served.metrics.registry.get_sample_value("panope_requests_cancelled_total", {"model": MODEL})
    assert cancelled == 1
    assert await served.numbers(served.call(2)) == [1, 0]


async def test_a_deadline_ends_a_stream_that_is_under_way(served: Served) -> None:
    call = served.call(1 << 40)
    call.deadline = time.monotonic() + 0.3
    numbers: list[int] = []
    with pytest.raises(DeadlineError):
        await served.numbers(call, numbers)
    assert numbers
    assert served.held() == 0


async def test_a_killed_worker_ends_its_stream_with_an_error_and_never_well(served: Served) -> None:
    async with served.pipeline.stream(served.call(1 << 40)) as parts:
        await anext(parts)
        (pid,) = served.rig.pids()
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(InstanceLostError):
            async for _ in parts:
                pass
    assert served.held() == 0


async def test_a_slow_reader_holds_up_its_worker_s_stream_and_loses_no_part(served: Served) -> None:
    async with served.pipeline.stream(served.call(5000)) as parts:
        first = await anext(parts)
        entry = served.rig.runtime.pool.instances[0]._in_flight.first()
        assert entry is not None
        async with asyncio.timeout(30):
            while len(entry.parts._parts) < PAUSE_PARTS - 1:  # noqa: ASYNC110 - what is waited for has no event of its own
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)  # it would be at its end by then
        assert PAUSE_PARTS - 1 <= len(entry.parts._parts) < 1000
        assert await asyncio.wait_for(served.numbers(served.call(3)), 10) == [2, 1, 0], "others are served meanwhile"
        numbers = [*first.numbers, *[number async for part in parts for number in part.numbers]]
    assert numbers == list(range(4999, -1, -1))
