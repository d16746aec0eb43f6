"""Programs for what strangers' files decide: one request at a time in a process that is ended when it takes too much.

Requests and answers are frames: a length of eight bytes, and so many bytes that both ends know the meaning of. The
program's end of it is `panope_backends.programs.limited`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from enum import Enum

from panope_backends.errors import InternalError
from panope_backends.isolation.memory_limit import LIMIT

LENGTH = struct.Struct("<Q")
"""Of a frame, before its bytes."""

EXIT_OUT_OF_MEMORY = 3
"""Of a program in which Python could not have the memory that it needs."""

#: The clock goes on while others have the processor: it may take so many times longer than it may compute.
_WALL_FACTOR = 10.0
#: Beside that, for a program that has only begun.
_START_SECONDS = 60.0
_END_SECONDS = 1.0

#: A pipe holds so much, where the system lets it; 64 kB are slow for images.
_PIPE_BYTES = 1 << 20

#: How native code ends for want of memory: it aborts, or traps; or the kernel ends it.
_OUT_OF_MEMORY = (signal.SIGABRT, signal.SIGTRAP, signal.SIGILL, signal.SIGKILL)


class Ended(Enum):
    """Why a program has not answered."""

    TIME = "time"
    """It took more processor time than it may, or far too long by the clock."""
    MEMORY = "memory"
    """It could not have the memory that it needed."""
    CRASH = "crash"
    """Anything else."""


class LimitedProcess:
    """Runs one program, which is started again after each end.

    `start`, `ask` and `close` are for one thread at a time; `kill` is for any.

    Args:
        program: the module; it stands above this one.
        memory_bytes: that it may allocate.
    """

    def __init__(self, program: str, memory_bytes: int) -> None:
        self._program = program
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._has_answered = False

    @property
    def is_running(self) -> bool:
        """Whether it still knows what it was told."""
        process = self._process
        return process is not None and process.poll() is None

    def start(self) -> None:
        """Starts it anew.

        Raises:
            InternalError: it could not be started.
        """
        self.close()
        self._has_answered = False
        process = self._process_of_program()
        with self._lock:
            self._process = process

    def ask(self, request: bytes, seconds: float) -> bytearray | Ended:
        """The program's answer, or why there is none; then the process is gone.

        Args:
            request: for the program.
            seconds: of processor time that the program takes for it at most, by itself.
        """
        process = self._process
        if process is None:
            return Ended.CRASH
        seconds = _WALL_FACTOR * seconds + (0 if self._has_answered else _START_SECONDS)
        try:
            answer = _exchange(process, request, time.monotonic() + seconds)
        except TimeoutError:
            self.close()
            return Ended.TIME
        except (OSError, EOFError):
            return self._reason_of_end()
        self._has_answered = True
        return answer

    def kill(self) -> None:
        """Ends it, whatever it does; who waits for its answer hears of it."""
        with self._lock:
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """Ends it."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()

    def _process_of_program(self) -> subprocess.Popen[bytes]:
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", self._program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, LIMIT: str(self._memory_bytes)},
                bufsize=0,
            )
        except OSError:
            raise InternalError(f"the program `{self._program.rpartition('.')[2]}` could not be started") from None
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            _widen(pipe.fileno())
        return process

    def _reason_of_end(self) -> Ended:
        """Why it has closed its end; what is left of it is cleared away."""
        process = self._process
        assert process is not None  # this thread alone clears it away
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
        code = process.poll()
        self.close()
        if code is None:
            return Ended.CRASH
        if code == -signal.SIGPROF:
            return Ended.TIME
        return Ended.MEMORY if code == EXIT_OUT_OF_MEMORY or -code in _OUT_OF_MEMORY else Ended.CRASH


def _exchange(process: subprocess.Popen[bytes], request: bytes, deadline: float) -> bytearray:
    assert process.stdin is not None
    assert process.stdout is not None
    for data in (LENGTH.pack(len(request)), request):
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(process.stdin.fileno(), rest) :]
    (length,) = LENGTH.unpack(_read(process.stdout.fileno(), LENGTH.size, deadline))
    return _read(process.stdout.fileno(), length, deadline)


def _read(descriptor: int, length: int, deadline: float) -> bytearray:
    """So many bytes.

    Raises:
        TimeoutError: they did not come in time.
        EOFError: the other end was closed.
    """
    data = bytearray(length)
    rest = memoryview(data)
    while rest:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        read = os.readv(descriptor, [rest])
        if not read:
            raise EOFError
        rest = rest[read:]
    return data


def _widen(descriptor: int) -> None:
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # the user has enough pipes
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
