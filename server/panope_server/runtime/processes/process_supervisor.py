"""Keeps a program running: ends it when it is silent, starts it again when it has ended, gives up on a crash loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from panope_backends.errors import InternalError, PanopeError
from panope_backends.retry import RetryPolicy


@dataclass(frozen=True)
class Exit:
    """How a program ended.

    Attributes:
        code: its exit code, negative for a signal.
        reason: in words.
        served_seconds: from when it was ready to its last good answer; 0 for none, and where nobody counts.
    """

    code: int
    reason: str
    served_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LivenessProbe:
    """When a program counts as silent.

    Checks are counted, not seconds, so that a server that was stopped or late itself takes no program for silent.

    Attributes:
        check: whether the program gets on.
        period_seconds: between two checks.
        failure_threshold: the checks in a row that must fail.
    """

    check: Callable[[], Awaitable[bool]]
    period_seconds: float
    failure_threshold: int


@dataclass(frozen=True, kw_only=True)
class RestartPolicy:
    """When a program is started again.

    Attributes:
        backoff: the pauses before starts; an error of a start that is temporary by it counts as no crash.
        crash_limit: the crashes within the window after which it is given up; 0 for never.
        crash_window_seconds: the window.
        steady_seconds: a program that ran this long starts the pauses anew.
        served_seconds: the end of a program that served for this long, and for longer than its start took, is no crash,
            and it is started again at once; 0 where every end is one.
    """

    backoff: RetryPolicy
    crash_limit: int = 0
    crash_window_seconds: float = 600.0
    steady_seconds: float = 60.0
    served_seconds: float = 0.0


class Program(Protocol):
    """What a supervisor keeps running."""

    async def start(self) -> None:
        """Starts it and returns when it serves; of one that did not come to serve nothing is left."""

    async def wait(self) -> Exit:
        """Returns when it has ended."""

    def liveness(self) -> LivenessProbe:
        """Returns the probe for the life that has just begun."""

    def end_silent(self, failed_checks: int) -> None:
        """Ends it, because it is silent; it may be told more than once."""

    def last_output(self) -> Sequence[str]:
        """Returns the last lines that it wrote."""

    def gave_up(self, error: Exception) -> None:
        """It is started no more: it crashes again and again, or its supervisor has a defect."""


class Supervisor:
    """Keeps one program running.

    Args:
        name: of the program in the log, such as `envoy` for `envoy_lost` and `envoy_start_failed`.
        program: what is kept running.
        policy: when it is started again.
        log: the logger.
        fields: of each line of the log.
        clock: monotonic seconds.

    Attributes:
        restart_count: how often it was started again, or that was tried.
    """

    def __init__(
        self,
        name: str,
        program: Program,
        policy: RestartPolicy,
        log: Any,
        *,
        fields: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.restart_count = 0
        self._name = name
        self._program = program
        self._policy = policy
        self._log = log
        self._fields = fields or {}
        self._clock = clock
        self._failures = 0
        self._start_seconds = 0.0  # that the last start took
        self._crashes: deque[float] = deque(maxlen=policy.crash_limit or 1)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts the program and keeps it running from then on; a first start that fails is not tried again.

        Raises:
            Exception: what the program's start raised.
        """
        try:
            await self._start()
        except Exception as error:
            self._log_failed_start(error)
            raise
        self._task = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        """Starts the program no more; it is left as it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _start(self) -> None:
        started = self._clock()
        await self._program.start()
        self._start_seconds = self._clock() - started

    async def _keep_running(self) -> None:
        try:
            error: Exception | None = None
            while error is None:
                started = self._clock()
                program_exit = await self._watch()
                if self._clock() - started > self._policy.steady_seconds:
                    self._failures = 0
                error = await self._start_again(program_exit)
        except Exception as defect:  # it must end as a program that is given up, not as one that nobody watches
            self._log.error("supervisor_failed", **self._fields, exc_info=defect)
            error = defect
        self._program.gave_up(error)

    async def _watch(self) -> Exit:
        """Returns when the program has ended; one that is silent is ended."""
        probe = self._program.liveness()
        ended = asyncio.ensure_future(self._program.wait())
        failed = 0
        try:
            while True:
                await asyncio.wait([ended], timeout=probe.period_seconds)
                if ended.done():
                    return ended.result()
                failed = 0 if await probe.check() else failed + 1
                if failed >= probe.failure_threshold and not ended.done():
                    self._program.end_silent(failed)
                    failed = 0
        finally:
            ended.cancel()

    async def _start_again(self, program_exit: Exit) -> Exception | None:
        """Starts the program until that succeeds; returns why it is given up."""
        error: Exception = InternalError(f"its worker ends again and again: {program_exit.reason}")
        pause = 0.0 if self._has_served(program_exit) else self._pause(is_crash=True)
        self._log.error(
            f"{self._name}_lost",
            **self._fields,
            exit_code=program_exit.code,
            reason=program_exit.reason,
            restart_in_seconds=pause,
        )
        while pause is not None:
            await asyncio.sleep(pause)
            self.restart_count += 1
            try:
                await self._start()
            except Exception as failure:  # no descriptor, no memory, a full disk: what passes, or a person mends
                error = failure
                self._log_failed_start(error)
                pause = self._pause(is_crash=not self._policy.backoff.is_temporary(error))
            else:
                return None
        return error

    def _has_served(self, program_exit: Exit) -> bool:
        """Whether what ended was of more use than trouble; then its next end is counted as a first one."""
        least = self._policy.served_seconds
        if not least or program_exit.served_seconds < max(least, self._start_seconds):
            return False
        self._failures = 0
        return True

    def _pause(self, *, is_crash: bool) -> float | None:
        """Counts a failure; returns the seconds before the next start, None when there is none."""
        self._failures += 1
        if is_crash:
            self._crashes.append(self._clock())
        policy = self._policy
        if policy.crash_limit and len(self._crashes) == policy.crash_limit:
            seconds = self._crashes[-1] - self._crashes[0]
            if is_crash and seconds < policy.crash_window_seconds:
                return None
        return policy.backoff.delay_seconds(self._failures)

    def _log_failed_start(self, error: Exception) -> None:
        fields = dict(self._fields)
        if isinstance(error, PanopeError):
            fields["reason"] = error.reason
        self._log.error(
            f"{self._name}_start_failed",
            **fields,
            cause=type(error).__name__,
            error=str(error),
            last_output=self._program.last_output(),
        )
