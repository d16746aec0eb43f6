"""Asks the backends, in processes that any of them may hang or end.

The probe program says which backend it is about to ask. One that says nothing for too long, or takes the process with
it, is told as a device that is not available, and the others are asked in another process.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import orjson
import structlog

from panope_backends.api import Device
from panope_backends.errors import BY_REASON, InternalError
from panope_server.runtime.processes.child_process import ChildProcess, describe_exit
from panope_server.runtime.processes.environment import child_environment
from panope_server.runtime.processes.programs import LOGGED_OUTPUT_BYTES, collect_end

_log = structlog.get_logger("panope.hardware")

PROBE = "panope_backends.programs.probe"

#: A cold start of PyTorch and of a driver for eight cards takes half a minute on a slow disk.
TIMEOUT_SECONDS = 60.0

#: What backends may allocate while they look for devices; PyTorch with CUDA takes 1 GB.
MEMORY_BYTES = 8 << 30

#: Why nothing is known of a backend whose own interpreter does not start, and what helps.
_CANNOT_RUN = (
    "the interpreter that `hardware.python` names for it cannot run Panope",
    "name a Python that is there, and install Panope in it",
)

#: What the program says of a backend.
_ANSWER = frozenset({"backend", "version", "api_version", "devices", "conversions"})


@dataclass
class Answers:
    """What the backends said.

    Attributes:
        devices: as the program describes them.
        conversions: by backend.
        backends: by name, their versions.
        failed: by name, why a backend hangs or ends its process; it is not asked again.
    """

    devices: list[dict[str, Any]] = field(default_factory=list)
    conversions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    backends: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, line: Mapping[str, Any]) -> None:
        """Takes what one backend said."""
        name = line["backend"]
        if not line.keys() >= _ANSWER:
            self.fail(name, "the Panope of its interpreter answers in another form: it is of another version")
            return
        self.devices += line["devices"]
        self.backends[name] = {"version": line["version"], "api_version": line["api_version"]}
        if line["conversions"] is not None:
            self.conversions[name] = line["conversions"]

    def fail(self, name: str, reason: str, advice: str = "") -> None:
        """Takes that a backend did not come to say anything, and what would help."""
        self.devices.append(asdict(Device(name, "", available=False, reason=reason, advice=advice)))
        self.backends[name] = {"version": "", "api_version": 0}
        self.failed[name] = reason

    def document(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "devices": self.devices,
            "conversions": self.conversions,
            "backends": self.backends,
            "failed": self.failed,
        }


class Prober:
    """Starts the probe program.

    Args:
        extra_backends: beside the installed ones, as `module:Class`.
        python: the workers' interpreter; empty for the server's own.
        interpreters: of backends that have another one, by name.
        timeout_seconds: that a backend may take.
    """

    def __init__(
        self,
        extra_backends: Sequence[str] = (),
        python: str = "",
        interpreters: Mapping[str, str] | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._extra = extra_backends
        self._python = python or sys.executable
        self._interpreters = interpreters or {}
        self._timeout_seconds = timeout_seconds

    async def ask(self, facts: Mapping[str, Any] | None = None, failed: Mapping[str, str] | None = None) -> Answers:
        """Asks every backend what it finds here, and with `facts` how well each device runs that model.

        Args:
            facts: of a model, as the program reads them.
            failed: backends that are known to hang or to end their process; they are not asked.

        Raises:
            PanopeError: the program itself cannot run, or does not understand the facts.
        """
        answers = Answers()
        for name, reason in (failed or {}).items():
            answers.fail(name, reason)
        for name, python in self._interpreters.items():
            if name not in answers.backends:
                await self._ask_elsewhere(answers, name, python, facts)
        extra = [flag for backend in self._extra for flag in ("--backend", backend)]
        while culprit := await self._run(answers, facts, self._python, extra):
            answers.fail(*culprit)
        return answers

    async def _ask_elsewhere(self, answers: Answers, name: str, python: str, facts: Mapping[str, Any] | None) -> None:
        """Asks a backend in an interpreter of its own, which may not be there, or lack Panope."""
        try:
            culprit = await self._run(answers, facts, python, ["--only", name])
        except (OSError, InternalError):
            if name in answers.backends:
                return  # it has said something before it ended
            answers.fail(name, *_CANNOT_RUN)
            return
        if culprit:
            answers.fail(*culprit)

    async def _run(
        self, answers: Answers, facts: Mapping[str, Any] | None, python: str, flags: Sequence[str]
    ) -> tuple[str, str] | None:
        """Asks those that have not answered, and returns the one that could not be asked to the end, and why."""
        asking, is_done = "", False
        skipped = [flag for name in answers.backends for flag in ("--skip", name)]
        run = _ProbeRun([*flags, *skipped, *(["--supports"] if facts is not None else [])], facts, python)
        try:
            async for line in run.lines(self._timeout_seconds):
                if "asking" in line:
                    asking = line["asking"]
                elif "backend" in line:
                    answers.add(line)
                    asking = ""
                elif line.get("ok"):
                    is_done = True
                    return None
                elif "message" in line:
                    kind = BY_REASON.get(line.get("reason", ""), InternalError)
                    raise kind(line["message"], reason=line.get("reason", ""))
        except TimeoutError:
            reason = f"it did not say which devices there are within {self._timeout_seconds:g} seconds"
        else:
            reason = f"looking for its devices ended the process: {describe_exit(await run.wait())}"
        finally:
            await run.end()
            if is_done and run.errors_text.strip():  # the cause of what a device is told not to be available for
                _log.warning("probe_output", output=run.errors_text)
        _log.error("probe_failed", backend=asking, reason=reason, output=run.errors_text)
        if not asking:
            raise InternalError(f"{PROBE} failed; the server's log has its output")
        return asking, reason


class _ProbeRun:
    """One process of the program."""

    def __init__(self, flags: Sequence[str], document: Any, python: str) -> None:
        self._flags = flags
        self._document = document
        self._python = python
        self._process: ChildProcess | None = None
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._errors = bytearray()

    @property
    def errors_text(self) -> str:
        """The end of what it wrote beside its answers."""
        return self._errors[-LOGGED_OUTPUT_BYTES:].decode(errors="replace")

    async def lines(self, timeout_seconds: float) -> AsyncIterator[dict[str, Any]]:
        """Its lines as they come; TimeoutError when the next does not come in time."""
        self._process = await ChildProcess.start(
            self._python,
            "-m",
            PROBE,
            *self._flags,
            environment=child_environment(memory_bytes=MEMORY_BYTES),
            data=orjson.dumps(self._document),
            stdout=self._read_lines,
            stderr=partial(collect_end, self._errors, LOGGED_OUTPUT_BYTES),
        )
        while True:
            async with asyncio.timeout(timeout_seconds):
                line = await self._lines.get()
            if line is None:
                return
            with suppress(orjson.JSONDecodeError):  # a script in the place of an interpreter may have a word of its own
                if isinstance(told := orjson.loads(line), dict):
                    yield told

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        assert self._process is not None
        return await self._process.wait()

    async def end(self) -> None:
        """Ends it if it has not ended, with all that it started, which would keep its pipes open."""
        if self._process is not None and self._process.is_running:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()

    async def _read_lines(self, stream: asyncio.StreamReader) -> None:
        rest = b""
        while data := await stream.read(1 << 16):
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                self._lines.put_nowait(line)
        self._lines.put_nowait(None)
