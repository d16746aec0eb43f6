"""A task that gives something for each of several images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import Field, dataclass, fields, replace
from itertools import chain
from typing import Any, ClassVar, TypeVar

from panope_server.config import Limits
from panope_server.tasks.links import Link
from panope_server.tasks.task import Canonical, Input, Output, Task, Usage
from panope_server.tasks.vision.images import Image, check_images, image_cost, image_links, image_work

#: Images that go to a worker as one request: decoded, they wait for the device in its memory.
MAX_REQUEST_IMAGES = 8

_POSITION = re.compile(r"images\[(?P<index>\d+)\]")


@dataclass(slots=True)
class ImagesInput(Input):
    """Images to run.

    Attributes:
        first_index: the position in the call of the first image; more than 0 for parts of a large call.
    """

    images: list[Image]
    first_index: int = 0


class ImagesOutput(Output):
    """A dataclass of one list.

    Attributes:
        images: what was found of each image, in the order of the images.
    """

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    images: list[Any]


I = TypeVar("I", bound=ImagesInput)  # noqa: E741 - the input, as in `Task`
O = TypeVar("O", bound=ImagesOutput)  # noqa: E741 - the output


class ImagesTask(Task[I, O]):
    """The images of a call run in parts, and are answered one by one."""

    answers_each = True

    def cost(self, task_input: I, data: bytes) -> tuple[int, int]:
        """Images, and the bytes of their files."""
        del data
        return image_cost(task_input.images)

    def work(self, task_input: I, items: int, size_bytes: int) -> int:
        """By the pixels of the images, about."""
        del items, size_bytes
        return image_work(task_input.images)

    def split(self, task_input: I, max_items: int) -> Sequence[I]:
        """So many images in each part."""
        size, images = min(max_items, MAX_REQUEST_IMAGES), task_input.images
        if len(images) <= size:
            return [task_input]
        return [
            replace(task_input, images=images[start : start + size], first_index=task_input.first_index + start)
            for start in range(0, len(images), size)
        ]

    def join(self, parts: Sequence[O]) -> O:
        """The images of all parts."""
        return type(parts[0])(list(chain.from_iterable(part.images for part in parts)))  # type: ignore[call-arg]  # outputs hold images alone

    def canonical(self, task_input: I, facts: object) -> Canonical | None:
        """Each image by its bytes, and with all of them the options."""
        del facts
        apart = ("images", "first_index")
        options = {each.name: getattr(task_input, each.name) for each in fields(task_input) if each.name not in apart}
        return Canonical(options, task_input.images, image_cost(task_input.images)[1])

    def pick(self, task_input: I, positions: Sequence[int]) -> I:
        """Those images alone."""
        return replace(task_input, images=[task_input.images[at] for at in positions], first_index=0)

    def path_at(self, path: str, positions: Sequence[int]) -> str:
        """With the position that the image had before."""
        if (found := _POSITION.match(path)) is None:
            return path
        return f"images[{positions[int(found['index'])]}]{path[found.end() :]}"

    def answers(self, part: O, first: int) -> Sequence[O]:
        """What was found of each image."""
        del first
        return [type(part)([image]) for image in part.images]  # type: ignore[call-arg]  # as in `join`

    def validate(self, task_input: I, limits: Limits) -> None:
        """Checks the images as far as the server sees them; what they hold, the worker sees."""
        check_images(task_input.images, limits.media)

    def links(self, task_input: I) -> Sequence[Link]:
        """Those of images."""
        return image_links(task_input.images, lambda index: f"images[{index}]")

    def usage(self, output: O) -> Usage:
        """Images."""
        return Usage(len(output.images), 0)
