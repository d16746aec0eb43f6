"""The process that renders chat templates: started with a model, killed with what takes too long, and started again."""

from __future__ import annotations

import threading

import msgspec

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.isolation.limited_process import Ended, LimitedProcess
from panope_backends.tasks.generate.chat.render import Rendered, RenderRequest, Setup
from panope_backends.tasks.generate.chat.template_facts import TemplateFacts

#: The program's module; it stands above this one.
PROGRAM = "panope_backends.programs.render_chat"

#: Beside the interpreter, what a conversation of the largest size needs several times over.
MEMORY_BYTES = 1 << 30


class RenderProcess:
    """Renders one model's conversations, one at a time. Safe to call from several threads."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._lock = threading.Lock()
        self._process = LimitedProcess(PROGRAM, MEMORY_BYTES)
        self._seconds = 0.0

    def start(self, seconds: float) -> TemplateFacts | None:
        """Starts the process and has the templates read; None when one of them is no template, or too long a one.

        Args:
            seconds: of processor time that it may take.
        """
        with self._lock:
            self._seconds = seconds
            return self._read_templates()

    def close(self) -> None:
        """Ends it."""
        with self._lock:
            self._process.close()

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
        if not self._process.is_running and self._read_templates() is None:
            return None
        answer = self._process.ask(msgspec.json.encode(request), request.seconds)
        return None if isinstance(answer, Ended) else msgspec.json.decode(answer, type=Rendered)

    def _read_templates(self) -> TemplateFacts | None:
        """Tells a new process what it renders with; None, and no process, when it cannot read the templates."""
        self._process.start()
        setup = msgspec.structs.replace(self._setup, seconds=self._seconds)
        answer = self._process.ask(msgspec.json.encode(setup), self._seconds)
        facts = None if isinstance(answer, Ended) else msgspec.json.decode(answer, type=TemplateFacts | None)
        if facts is None:
            self._process.close()
        return facts


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
