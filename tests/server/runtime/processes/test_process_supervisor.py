"""A program that is kept running."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
import structlog
from structlog.testing import capture_logs

from panope_backends.errors import AvailabilityError, InternalError
from panope_backends.retry import RetryPolicy
from panope_server.runtime.processes.process_supervisor import Exit, LivenessProbe, RestartPolicy, Supervisor

AT_ONCE = RetryPolicy(base_seconds=0.0, cap_seconds=0.0)
LOG = structlog.get_logger("test")


class Program:
    """A program that lives until it is ended, and starts as it is told.

    Attributes:
        failures: raised by the next starts, one each.
        answers: whether it gets on.
    """

    def __init__(self, failures: Sequence[Exception | None] = ()) -> None:
        self.failures = list(failures)
        self.answers = True
        self.starts = 0
        self.given_up: Exception | None = None
        self._ended: asyncio.Future[Exit]

    async def start(self) -> None:
        self.starts += 1
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        self._ended = asyncio.get_running_loop().create_future()

    def end(self, code: int = 1, served_seconds: float = 0.0) -> None:
        self._ended.set_result(Exit(code, f"exit code {code}", served_seconds))

    async def wait(self) -> Exit:
        return await asyncio.shield(self._ended)

    def liveness(self) -> LivenessProbe:
        async def check() -> bool:
            return self.answers

        return LivenessProbe(check=check, period_seconds=0.001, failure_threshold=3)

    def end_silent(self, failed_checks: int) -> None:
        assert failed_checks == 3
        self.answers = True
        self.end(9)

    def last_output(self) -> Sequence[str]:
        return ["its last line"]

    def gave_up(self, error: Exception) -> None:
        self.given_up = error


async def until_started(program: Program, times: int) -> None:
    async with asyncio.timeout(60):
        while program.starts < times and program.given_up is None:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.001)


async def test_one_that_ends_is_started_again_and_its_end_is_in_the_log() -> None:
    program = Program()
    supervisor = Supervisor("thing", program, RestartPolicy(backoff=AT_ONCE), LOG, fields={"which": "one"})
    with capture_logs() as lines:
        await supervisor.start()
        program.end(7)
        await until_started(program, 2)
    assert supervisor.restart_count == 1
    (line,) = lines
    assert (line["event"], line["which"], line["exit_code"], line["reason"]) == ("thing_lost", "one", 7, "exit code 7")
    await supervisor.stop()


async def test_a_first_start_that_fails_is_an_error_and_is_not_tried_again() -> None:
    program = Program([InternalError("broken")])
    supervisor = Supervisor("thing", program, RestartPolicy(backoff=AT_ONCE), LOG)
    with capture_logs() as lines, pytest.raises(InternalError):
        await supervisor.start()
    assert (program.starts, program.given_up) == (1, None)
    (line,) = lines
    assert (line["event"], line["error"], line["last_output"]) == ("thing_start_failed", "broken", ["its last line"])


async def test_later_starts_that_fail_are_tried_until_one_works() -> None:
    program = Program([None, OSError("no descriptor"), InternalError("broken")])
    supervisor = Supervisor("thing", program, RestartPolicy(backoff=AT_ONCE), LOG)
    await supervisor.start()
    program.end()
    await until_started(program, 4)
    assert (supervisor.restart_count, program.given_up) == (3, None)
    await supervisor.stop()


async def test_one_that_is_silent_is_ended_and_started_again() -> None:
    program = Program()
    supervisor = Supervisor("thing", program, RestartPolicy(backoff=AT_ONCE), LOG)
    await supervisor.start()
    program.answers = False
    await until_started(program, 2)
    assert supervisor.restart_count == 1
    await supervisor.stop()


async def test_a_crash_loop_is_given_up_and_starts_that_fail_for_a_while_are_no_crash() -> None:
    away = AvailabilityError("no descriptor")
    program = Program([None, away, away, away, None, InternalError("broken")])
    policy = RestartPolicy(backoff=AT_ONCE, crash_limit=3)
    supervisor = Supervisor("thing", program, policy, LOG)
    await supervisor.start()
    program.end()
    await until_started(program, 5)
    assert program.given_up is None
    program.end()
    await until_started(program, 7)
    assert (program.starts, str(program.given_up)) == (6, "broken")


async def test_crashes_that_are_far_apart_are_no_loop() -> None:
    now = 0.0
    program = Program()
    policy = RestartPolicy(backoff=AT_ONCE, crash_limit=2, crash_window_seconds=600.0)
    supervisor = Supervisor("thing", program, policy, LOG, clock=lambda: now)
    await supervisor.start()
    for number in range(1, 4):
        now += 601.0
        program.end()
        await until_started(program, number + 1)
    assert program.given_up is None
    now += 1.0
    program.end()
    await until_started(program, 6)
    assert "again and again" in str(program.given_up)


async def test_one_that_ran_for_long_is_started_again_as_quickly_as_the_first_time() -> None:
    now = 0.0
    program = Program()
    backoff = RetryPolicy(base_seconds=0.001, cap_seconds=1.0, jitter=0.0)
    supervisor = Supervisor("thing", program, RestartPolicy(backoff=backoff), LOG, clock=lambda: now)
    with capture_logs() as lines:
        await supervisor.start()
        for number, seconds in enumerate((1.0, 1.0, 61.0), 2):
            now += seconds
            program.end()
            await until_started(program, number)
    assert [line["restart_in_seconds"] for line in lines] == [0.001, 0.002, 0.001]
    await supervisor.stop()


@pytest.mark.parametrize(("served", "is_crash"), [(0.0, True), (4.9, True), (5.0, False)])
async def test_the_end_of_one_that_served_is_no_crash_and_it_is_started_again_at_once(
    served: float, is_crash: bool
) -> None:
    program = Program()
    minute = RetryPolicy(base_seconds=60.0, cap_seconds=60.0, jitter=0.0)
    policy = RestartPolicy(backoff=minute, crash_limit=1, served_seconds=5.0)
    supervisor = Supervisor("thing", program, policy, LOG)
    with capture_logs() as lines:
        await supervisor.start()
        for starts in (2, 3):
            program.end(served_seconds=served)
            await until_started(program, starts)
            if is_crash:
                break
    assert (program.given_up is not None) == is_crash
    assert [line["restart_in_seconds"] for line in lines] == ([None] if is_crash else [0.0, 0.0])
    await supervisor.stop()


async def test_one_that_served_for_less_time_than_its_start_took_has_crashed() -> None:
    now = 0.0

    class Slow(Program):
        async def start(self) -> None:
            nonlocal now
            now += 30.0
            await super().start()

    program = Slow()
    policy = RestartPolicy(backoff=AT_ONCE, crash_limit=2, served_seconds=5.0)
    supervisor = Supervisor("thing", program, policy, LOG, clock=lambda: now)
    await supervisor.start()
    for starts, served in ((2, 31.0), (3, 31.0), (4, 29.0)):
        program.end(served_seconds=served)
        await until_started(program, starts)
    assert program.given_up is None
    program.end(served_seconds=29.0)
    await until_started(program, 5)
    assert "again and again" in str(program.given_up)


async def test_a_defect_in_the_watch_gives_the_program_up() -> None:
    program = Program()

    async def broken() -> bool:
        raise ValueError

    # The test replaces it, which the types do not know.
    program.liveness = lambda: LivenessProbe(check=broken, period_seconds=0.001, failure_threshold=1)  # type: ignore[method-assign]
    supervisor = Supervisor("thing", program, RestartPolicy(backoff=AT_ONCE), LOG)
    with capture_logs() as lines:
        await supervisor.start()
        await until_started(program, 2)
    assert isinstance(program.given_up, ValueError)
    assert [line["event"] for line in lines] == ["supervisor_failed"]


async def test_after_a_stop_it_is_started_no_more() -> None:
    program = Program()
    supervisor = Supervisor("thing", program, RestartPolicy(backoff=AT_ONCE), LOG)
    await supervisor.start()
    await supervisor.stop()
    program.end()
    await asyncio.sleep(0.01)
    assert (program.starts, supervisor.restart_count) == (1, 0)
