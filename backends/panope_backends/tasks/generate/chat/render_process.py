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

from panope_backends.errors import InternalError, InvalidInputError, PreconditionError
from panope_backends.memory_limit import LIMIT
from panope_backends.tasks.generate.chat.render import Rendered, RenderRequest, Setup
from panope_backends.tasks.generate.chat.template_facts import TemplateFacts

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
        self._setup = setup
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._facts: TemplateFacts | None = None
        self._seconds = 0.0

    def start(self, seconds: float) -> TemplateFacts | None:
        """Starts the process and has the templates read; None when one of them is no template, or too long a one.

        Args:
            seconds: of processor time that it may take.
        """
        with self._lock:
            self._seconds = seconds
            self._started()
            return self._facts

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
        process = self._started()
        line = self._reply(process, request, _WALL_FACTOR * request.seconds) if process is not None else b""
        return msgspec.json.decode(line, type=Rendered) if line else None

    def _reply(self, process: subprocess.Popen[bytes], document: object, seconds: float) -> bytes:
        """The process's line to a document; empty when it is gone, perhaps because the time was up."""
        assert process.stdin is not None
        try:
            process.stdin.write(msgspec.json.encode(document) + b"\n")
            process.stdin.flush()
            line = self._line(process, time.monotonic() + seconds)
        except OSError:
            line = b""
        if not line:
            self._end()
        return line

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

    def _started(self) -> subprocess.Popen[bytes] | None:
        """The process; None when it cannot read the templates."""
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
            setup = msgspec.structs.replace(self._setup, seconds=self._seconds)
            line = self._reply(self._process, setup, _START_SECONDS + _WALL_FACTOR * self._seconds)
            self._facts = msgspec.json.decode(line, type=TemplateFacts | None) if line else None
            if self._facts is None:
                self._end()
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
