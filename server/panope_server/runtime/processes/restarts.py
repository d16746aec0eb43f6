"""Keeps a child program running: ends one that is silent, and starts it again whenever it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog

from panope_server.runtime.processes.signals import kill

_log = structlog.get_logger("panope.server")

#: A program that lived this long starts the back-off anew.
STEADY_SECONDS = 60.0


async def keep_running(
    name: str,
    until_gone: Callable[[], Awaitable[int]],
    start: Callable[[], Awaitable[None]],
    *,
    first_backoff_seconds: float,
    max_backoff_seconds: float,
) -> NoReturn:
    """Starts a program again whenever it is gone, until the task is cancelled; a start that fails is tried again.

    Args:
        name: of the program in the log, such as `envoy` for `envoy_lost` and `envoy_start_failed`.
        until_gone: returns when the program has ended, with its exit code.
        start: returns when it runs again; whatever it raises is logged.
        first_backoff_seconds: before the first start; doubles with each further one.
        max_backoff_seconds: the longest.
    """
    loop = asyncio.get_running_loop()
    backoff = first_backoff_seconds
    while True:
        born = loop.time()
        code = await until_gone()
        if loop.time() - born > STEADY_SECONDS:
            backoff = first_backoff_seconds
        _log.error(f"{name}_lost", exit_code=code, restart_in_seconds=backoff)
        while True:
            await asyncio.sleep(backoff)
            backoff = min(max_backoff_seconds, backoff * 2)
            try:
                await start()
            except Exception as error:  # no descriptor, no memory, a full disk: what passes, or a person mends
                _log.error(f"{name}_start_failed", cause=type(error).__name__, error=str(error))
                continue
            break


async def until_gone(
    name: str,
    process: asyncio.subprocess.Process,
    is_well: Callable[[], Awaitable[bool]],
    *,
    check_seconds: float,
    silent_checks: int,
) -> int:
    """Returns when a program has ended, with its exit code; one that is not well for several checks in a row is ended.

    Checks are counted, not seconds, so that a server that was stopped or late itself takes no program for silent.

    Args:
        name: of the program in the log, such as `envoy` for `envoy_silent`.
        process: the program.
        is_well: whether it gets on.
        check_seconds: between two checks.
        silent_checks: how many must fail.
    """
    ended = asyncio.ensure_future(process.wait())
    try:
        failed = 0
        while not ended.done():
            await asyncio.wait([ended], timeout=check_seconds)
            if ended.done():
                break
            failed = 0 if await is_well() else failed + 1
            if failed >= silent_checks and process.returncode is None:
                _log.error(f"{name}_silent", pid=process.pid, checks=failed)
                kill(process)
                await ended
        return ended.result()
    finally:
        ended.cancel()
