"""What tasks over an audio file share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks.links import Link
from panope_server.tasks.task import Input, Output, Task, Usage

#: Of a second of audio as a file, about.
_BYTES_OF_SECOND = 16_000


@dataclass(slots=True)
class AudioInput(Input):
    """An input that is an audio file, first of all.

    Attributes:
        audio: the file.
        url: where it is, or a `data:` URL that holds it, until the pipeline has put it into `audio`.
    """

    audio: bytes
    url: str = field(default="", kw_only=True)


InputT = TypeVar("InputT", bound=AudioInput)
OutputT = TypeVar("OutputT", bound=Output)


class AudioTask(Task[InputT, OutputT]):
    """A task whose inputs are audio files: how long one is, the worker alone sees.

    Attributes:
        work_of_second: what a second of audio costs, in tokens, about.
    """

    input_unit = "bytes"
    work_of_second: ClassVar[int]

    def work(self, task_input: InputT, items: int, size_bytes: int) -> int:
        """By its bytes."""
        del task_input, items
        return size_bytes * self.work_of_second // _BYTES_OF_SECOND

    def tokens(self, task_input: InputT) -> int:
        """By the bytes of the file."""
        return self.work(task_input, 1, len(task_input.audio))

    def validate(self, task_input: InputT, limits: Limits) -> None:
        """Refuses a file that no worker would decode; what it holds, the worker sees."""
        size, most = len(task_input.audio), limits.media.max_audio_bytes
        if not size and not task_input.url:
            raise InvalidInputError.at("audio", "{field} is empty")
        if size > most:
            raise InvalidInputError.at(
                "audio", "{field} has {size:,} bytes; the limit is {limit:,}", size=size, limit=most
            )

    def links(self, task_input: InputT) -> Sequence[Link]:
        """That of the audio; none where it is there."""

        def put(content: bytes) -> None:
            task_input.audio, task_input.url = content, ""

        return (Link(task_input.url, "audio", "audio", put),) if task_input.url else ()

    def input_units(self, task_input: InputT) -> int:
        """The bytes of the file."""
        return len(task_input.audio)

    def usage(self, output: OutputT) -> Usage:
        """Nothing is written."""
        del output
        return Usage(0, 0)
