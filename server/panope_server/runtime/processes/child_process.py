"""One child process: started with an environment of its own, signalled, and waited for."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

from panope_server.runtime.processes.launcher import launch_command

READ_SECONDS = 5.0
"""For which the output of a process that has ended is read, where another process still holds it open."""

Output = int | None | Callable[[asyncio.StreamReader], Coroutine[Any, Any, None]]
"""Where a stream goes: a descriptor, this process's own stream (None), or a reader of all of it."""


class ChildProcess:
    """A program that this process has started, from then to its exit code; what it leaves in its group ends with it.

    The kernel ends it with this process. It has a process group of its own, because a terminal's Ctrl-C is for the
    server, which ends its children in order. Where the system has pidfds, signals go to one, so that none ever hits
    another process that has got the same pid.
    """

    def __init__(self, process: Process, readers: Sequence[asyncio.Task[None]]) -> None:
        self._process = process
        self._pidfd = _open_pidfd(process.pid)
        self._end = asyncio.create_task(self._wait_for_end(readers))

    @classmethod
    async def start(
        cls,
        *command: str,
        environment: Mapping[str, str],
        data: bytes | None = None,
        stdout: Output = DEVNULL,
        stderr: Output = None,
        pass_fds: Sequence[int] = (),
    ) -> ChildProcess:
        """Starts a program.

        Args:
            command: the program and its arguments, which other users may see.
            environment: all of its environment.
            data: the whole of its standard input, which other users do not see; None for none.
            stdout: where its standard output goes.
            stderr: where its standard error goes.
            pass_fds: descriptors that it inherits.

        Raises:
            OSError: there is no such program, or the machine lacks descriptors or memory.
        """
        if shutil.which(command[0]) is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
        process = await asyncio.create_subprocess_exec(
            *launch_command(*command),
            stdin=DEVNULL if data is None else PIPE,
            stdout=PIPE if callable(stdout) else stdout,
            stderr=PIPE if callable(stderr) else stderr,
            pass_fds=pass_fds,
            env=dict(environment),
            process_group=0,
        )
        readers = _read(process.stdout, stdout) + _read(process.stderr, stderr)
        if data is not None and process.stdin is not None:
            process.stdin.write(data)  # a pipe that is broken already shows as the program's end
            process.stdin.close()
        return cls(process, readers)

    @property
    def pid(self) -> int:
        """Its process id; 0 once it has ended."""
        return self._process.pid if self.is_running else 0

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    def send_signal(self, number: int) -> None:
        """Sends a signal unless the process is gone."""
        if not self.is_running:
            return
        with suppress(ProcessLookupError):
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, number)
            else:
                # asyncio's own method polls the process first, and so takes its exit code from whoever waits for it.
                os.kill(self._process.pid, number)

    def kill(self) -> None:
        """Ends it at once."""
        self.send_signal(signal.SIGKILL)

    async def stop(self, grace_seconds: float) -> int:
        """Asks it to end, and kills it when it has not within the grace; returns its exit code."""
        self.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_seconds):
                return await self.wait()
        except TimeoutError:
            self.kill()
            return await self.wait()

    async def wait(self) -> int:
        """Returns its exit code, negative for a signal, once it has ended and its output has been read."""
        return await asyncio.shield(self._end)

    async def _wait_for_end(self, readers: Sequence[asyncio.Task[None]]) -> int:
        # asyncio waits for the ends of the program's pipes too, which what it left behind holds open.
        whole = asyncio.create_task(self._process.wait())
        try:
            if self._pidfd is not None:
                await _readable(self._pidfd)
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                await asyncio.wait([whole, *readers], timeout=READ_SECONDS)
            else:
                await asyncio.wait([whole, *readers])
        finally:
            for task in (whole, *readers):
                task.cancel()
            if self._pidfd is not None:
                os.close(self._pidfd)
                self._pidfd = None
        return self._process.returncode if self._process.returncode is not None else await self._process.wait()


async def _readable(descriptor: int) -> None:
    """Waits until a pidfd tells of the end of its process."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)


def describe_exit(exit_code: int) -> str:
    """Returns in words how a process ended."""
    number = _signal_of(exit_code)
    if number == signal.SIGKILL:
        return "killed by signal 9, by a person or for lack of memory"
    return f"killed by signal {number}" if 0 < number < signal.NSIG else f"exit code {exit_code}"


def was_killed(exit_code: int) -> bool:
    """Returns whether SIGKILL ended a process, which no program does to itself by mistake."""
    return _signal_of(exit_code) == signal.SIGKILL


def _signal_of(exit_code: int) -> int:
    return -exit_code if exit_code < 0 else exit_code - 128  # shells, and the launcher, add 128 to a signal


def _read(stream: asyncio.StreamReader | None, output: Output) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(output(stream))] if stream is not None and callable(output) else []


def _open_pidfd(pid: int) -> int | None:
    """Returns a descriptor of the process; None where there are none, or no descriptor is left."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
