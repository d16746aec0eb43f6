"""Runs a backend program (probe, convert) to its end: a JSON document in, a JSON document out.

These programs import engines and models' code, so they get a worker's environment and die with the server.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
import structlog

from panope_backends.errors import BY_REASON, InternalError
from panope_server.runtime.processes.child_process import ChildProcess
from panope_server.runtime.processes.environment import child_environment
from panope_server.runtime.processes.launcher import launch_command

_log = structlog.get_logger("panope.programs")

LOGGED_OUTPUT_BYTES = 4000
REPORT_BYTES = 64 << 20
LOOK_SECONDS = 0.2


async def run_program(
    module: str, *arguments: str, document: Any, timeout_seconds: float, python: str = "", memory_bytes: int = 0
) -> dict[str, Any]:
    """Runs `python -m module` and returns the JSON object it prints; `memory_bytes` limits its memory, 0 does not.

    Raises:
        PanopeError: what the program reported, or InternalError when it did not report.
    """
    output, errors = bytearray(), bytearray()
    process = await ChildProcess.start(
        python or sys.executable,
        "-m",
        module,
        *arguments,
        environment=child_environment(memory_bytes=memory_bytes),
        data=orjson.dumps(document),
        stdout=partial(collect_end, output, REPORT_BYTES),
        stderr=partial(collect_end, errors, LOGGED_OUTPUT_BYTES),
    )
    try:
        async with asyncio.timeout(timeout_seconds):
            code = await process.wait()
    except TimeoutError:
        raise InternalError(f"{module} did not end within {timeout_seconds:g} seconds") from None
    finally:
        if process.is_running:
            process.kill()
            await process.wait()
    return _report(module, code, bytes(output), bytes(errors))


async def collect_end(collected: bytearray, most: int, stream: asyncio.StreamReader) -> None:
    """Reads a stream to its end and keeps the last bytes, `most` of them: what programs write has no bound."""
    while data := await stream.read(1 << 16):
        collected += data
        del collected[:-most]


class _End(threading.Thread):
    """What `collect_end` is, of a pipe, for those that wait in threads."""

    def __init__(self, pipe: int) -> None:
        super().__init__(daemon=True)
        self.collected = bytearray()
        self._pipe = pipe

    def run(self) -> None:
        """Reads to the end."""
        with os.fdopen(self._pipe, "rb", buffering=0) as stream:
            while data := stream.read(1 << 16):
                self.collected += data
                del self.collected[:-LOGGED_OUTPUT_BYTES]

    def text(self) -> bytes:
        """What was read, soon after whoever writes has ended; a process that it left behind is not waited for."""
        self.join(LOOK_SECONDS)
        return bytes(self.collected)


def run_program_in_thread(
    module: str, *arguments: str, document: Any, check: Callable[[], None], python: str = "", memory_bytes: int = 0
) -> dict[str, Any]:
    """As `run_program`, for a thread that has nothing else to do, such as a job's.

    Args:
        module: of the program.
        arguments: of the program.
        document: for its standard input.
        check: called several times a second; what it raises ends the program, with all that it started, and is passed
            on.
        python: the interpreter; empty for this one.
        memory_bytes: that it may allocate; 0 for any.

    Raises:
        PanopeError: what the program reported, or InternalError when it did not report.
    """
    reading, writing = os.pipe()
    errors = _End(reading)
    errors.start()
    try:
        # The kernel ends the program with the thread that started it, which waits here for it.
        process = subprocess.Popen(
            launch_command(python or sys.executable, "-m", module, *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=writing,
            env=child_environment(memory_bytes=memory_bytes),
            process_group=0,
        )
    finally:
        os.close(writing)
    given: bytes | None = orjson.dumps(document)
    try:
        while True:
            try:
                output, _ = process.communicate(given, LOOK_SECONDS)
                break
            except subprocess.TimeoutExpired:
                given = None  # it is on its way
                check()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return _report(module, process.returncode, output, errors.text())


def _report(module: str, code: int | None, output: bytes, errors: bytes) -> dict[str, Any]:
    lines = output.strip().splitlines()
    try:
        report = orjson.loads(lines[-1]) if lines else None
    except orjson.JSONDecodeError:
        report = None
    if isinstance(report, dict) and report.get("ok", code == 0):
        return report
    _log.error(
        "program_failed", program=module, exit_code=code, output=errors[-LOGGED_OUTPUT_BYTES:].decode(errors="replace")
    )
    if isinstance(report, dict) and "message" in report:
        kind = BY_REASON.get(report.get("kind") or report.get("reason", ""), InternalError)
        raise kind(report["message"], reason=report.get("reason", ""))
    raise InternalError(f"{module} failed; the server's log has its output")
