"""The process that renders chat templates: started with a model, killed with what takes too long, and started again."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import threading
import time

import msgspec

from panope_backends.confine import LIMIT
from panope_backends.errors import InternalError, InvalidInputError, PreconditionError
from panope_backends.tasks.generate.chat.render import Rendered, RenderRequest, Setup

#: The program's module; it stands above this one.
PROGRAM = "panope_backends.programs.render_chat"

#: Beside the interpreter, what a conversation of the largest size needs several times over.
MEMORY_BYTES = 1 << 30

#: The clock goes on while others have the processor: it may take so many times longer than it may compute.
_WALL_FACTOR = 10.0
_START_SECONDS = 60.0
_READ_BYTES = 1 << 20


class RenderProcess:
    """Renders one model's conversations, one at a time. Safe to call from several threads."""

    def __init__(self, setup: Setup) -> None:
        self._setup = msgspec.json.encode(setup) + b"\n"
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the process, so that the first conversation need not wait for it."""
        with self._lock:
            self._started()

    def close(self) -> None:
        """Ends it."""
        with self._lock:
            self._end()

    def render(self, request: RenderRequest) -> str:
        """The text of a conversation.

        Raises:
            InvalidInputError: the template refuses the conversation, or makes too long a text of it.
            PreconditionError: the template takes too much time or memory.
        """
        with self._lock:
            rendered = self._asked(request)
        if rendered is None:
            raise PreconditionError(
                f"the model's chat template did not render the conversation within {request.seconds:g} seconds of "
                "processor time (`generation.template_seconds`)",
                reason="template_too_slow",
            )
        if rendered.fault:
            raise _error_of(rendered, request)
        return rendered.text

    def _asked(self, request: RenderRequest) -> Rendered | None:
        """The process's answer; None when it took too long and is gone."""
        deadline = time.monotonic() + _WALL_FACTOR * request.seconds + (_START_SECONDS if self._process is None else 0)
        process = self._started()
        assert process.stdin is not None
        try:
            process.stdin.write(msgspec.json.encode(request) + b"\n")
            process.stdin.flush()
            line = self._line(process, deadline)
        except OSError:
            line = b""
        if not line:
            self._end()
            return None
        return msgspec.json.decode(line, type=Rendered)

    def _line(self, process: subprocess.Popen[bytes], deadline: float) -> bytes:
        """The next line of its output; empty when it ended, or the time is up."""
        assert process.stdout is not None
        descriptor, data = process.stdout.fileno(), bytearray()
        while not data.endswith(b"\n"):
            ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            read = os.read(descriptor, _READ_BYTES) if ready else b""
            if not read:
                return b""
            data += read
        return bytes(data)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", PROGRAM],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, LIMIT: str(MEMORY_BYTES)},
                )
            except OSError:
                raise InternalError("the program that renders chat templates could not be started") from None
            assert self._process.stdin is not None
            with contextlib.suppress(OSError):  # the answer that does not come tells it
                self._process.stdin.write(self._setup)
                self._process.stdin.flush()
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()


def _error_of(rendered: Rendered, request: RenderRequest) -> InvalidInputError | PreconditionError:
    match rendered.fault:
        case "refused":
            sentence = "the model's chat template refuses {field}: {words}"
            return InvalidInputError.at("messages", sentence, words=rendered.message)
        case "too_long":
            return InvalidInputError.at(
                "messages",
                "{field} have more than {limit:,} characters in the model's chat template",
                reason="context_length_exceeded",
                limit=request.characters,
            )
        case "out_of_memory":
            return PreconditionError("the model's chat template needs too much memory", reason="template_too_large")
        case "not_continued":
            return InvalidInputError.at(
                "continue_final_message", "{field} is not possible: the model's chat template changes the last message"
            )
        case _:
            return InvalidInputError.at("messages", "the model's chat template does not take {field} of this form")
