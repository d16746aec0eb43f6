"""A conversation with a model: what was said, and how it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from panope_server.cli.chat.options import ChatOptions

Message = dict[str, Any]

Answer = Callable[[list[Message], ChatOptions], Iterator[str]]
"""The pieces of the model's answer to a conversation; closing it early ends the generation."""

HELP = """\
/image FILE       an image to go with what is said next, for models that see images
/set NAME VALUE   temperature, top_p, top_k, max_tokens, seed (`default` unsets one), or system
/show             the options and the system message
/clear            begin anew
/bye              end; Ctrl-D does too
\"\"\"               begins and ends a message of several lines
Ctrl-C            ends an answer that is being written"""


@dataclass
class Conversation:
    """What was said.

    Args:
        answer: asks the model.
        options: of answers to come.
        system: what the model is told beforehand; empty for nothing.
        images: images that go with what is said next, as files.
    """

    answer: Answer
    options: ChatOptions = field(default_factory=ChatOptions)
    system: str = ""
    messages: list[Message] = field(default_factory=list)
    images: list[bytes] = field(default_factory=list)

    def say(self, text: str, show: Callable[[str], None]) -> None:
        """Says something, and shows the answer piece by piece; one that is interrupted stays as far as it came.

        Args:
            text: may be empty where images go with it.
            show: takes each piece.
        """
        images = [{"type": "image", "image": image} for image in self.images]
        words = [{"type": "text", "text": text}] if text else []
        self.messages.append({"role": "user", "content": [*images, *words] if images else text})
        system = [{"role": "system", "content": self.system}] if self.system else []
        pieces: list[str] = []
        stream = self.answer([*system, *self.messages], self.options)
        try:
            for piece in stream:
                pieces.append(piece)
                show(piece)
        except KeyboardInterrupt:
            pass
        except BaseException:
            self.messages.pop()  # what got no answer is asked again
            raise
        finally:
            if (close := getattr(stream, "close", None)) is not None:
                close()
        self.messages.append({"role": "assistant", "content": "".join(pieces)})
        self.images.clear()

    def command(self, line: str) -> str | None:
        """Does what a line that begins with `/` says; what to print, or None to end the chat."""
        name, _, rest = line.strip().partition(" ")
        match name:
            case "/bye" | "/exit" | "/quit":
                return None
            case "/clear":
                self.messages.clear()
                self.images.clear()
                return "begun anew"
            case "/image":
                return self._attach(rest.strip())
            case "/show":
                return self._shown()
            case "/set":
                return self._set(*rest.strip().partition(" ")[::2])
            case "/help" | "/?":
                return HELP
            case _:
                return f"there is no command `{name}`\n{HELP}"

    def _attach(self, path: str) -> str:
        try:
            self.images.append(Path(path).expanduser().read_bytes())
        except OSError as error:
            return f"{path}: {error.strerror or 'it cannot be read'}"
        return f"{len(self.images)} to go with what is said next"

    def _set(self, name: str, text: str) -> str:
        text = text.strip()
        if name == "system":
            self.system = text
            return "the system message is set" if text else "there is no system message any more"
        try:
            self.options = self.options.with_text(name, text)
        except ValueError as error:
            return str(error)
        return f"{name} is {text}"

    def _shown(self) -> str:
        lines = [f"{name} {value}" for name, value in self.options.given().items()]
        return "\n".join([*lines, *([f"system {self.system}"] if self.system else [])]) or "the model's own defaults"
