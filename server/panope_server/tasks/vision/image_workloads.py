"""What models that take images are measured with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from panope_server.tasks import samples
from panope_server.tasks.task import Input, MeasuredModel, Workload
from panope_server.tasks.vision.images import Image
from panope_server.tasks.workload import Suits


@dataclass(frozen=True)
class ImagesWorkload(Workload):
    """Images of one size, a batch in each call.

    Attributes:
        task: its name, or what it does with images.
        make: the task's input of images.
        batch: images in one call.
        draw: an image by its number.
        is_for: which models of the task it suits.
    """

    task: str
    make: Callable[[list[Image]], Input]
    batch: int
    draw: Callable[[int], bytes] = samples.image
    is_for: Suits = lambda _: True

    @property
    def name(self) -> str:
        """As measurements are kept under it."""
        return f"{self.task}-images-batch-{self.batch}"

    @property
    def items(self) -> int:
        """Images in one call."""
        return self.batch

    def suits(self, model: MeasuredModel) -> bool:
        """Whether it takes images."""
        return self.is_for(model)

    def input(self, number: int, model: MeasuredModel | None = None) -> Input:
        """One call; no two have an image in common."""
        del model
        return self.make([Image(self.draw(number * self.batch + place)) for place in range(self.batch)])


def images_workloads(
    task: str,
    make: Callable[[list[Image]], Input],
    batches: Sequence[int] = (4, 1),
    draw: Callable[[int], bytes] = samples.image,
    is_for: Suits = lambda _: True,
) -> tuple[ImagesWorkload, ...]:
    """The workloads of a task: a few images in a call, and one."""
    return tuple(ImagesWorkload(task, make, batch, draw, is_for) for batch in batches)
