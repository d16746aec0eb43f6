"""Draws with a pipeline of diffusers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from panope_backends.api import DiffusionModel, DiffusionRequest, DiffusionRun, Drawn
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.diffusion.arguments import arguments_of, drawn
from panope_backends.engines.torch.diffusion.pipeline_facts import pipeline_facts
from panope_backends.engines.torch.diffusion.prompt_limits import PromptLimits
from panope_backends.engines.torch.diffusion.siblings import sibling
from panope_backends.engines.torch.diffusion.stepwise import Stepwise, StoppedError
from panope_backends.engines.torch.out_of_memory import refusing
from panope_backends.errors import InternalError


class PipelineModel(DiffusionModel):
    """A pipeline, and those of the same weights that begin from something else.

    Args:
        pipeline: on its device.
        begins: what it can begin from itself.
        precision: that it computes in.
        device: where its weights lie.
    """

    def __init__(self, pipeline: Any, begins: frozenset[str], precision: str, device: TorchDevice = HOST) -> None:
        self.precision = precision
        self._device = device
        self._pipelines = dict.fromkeys(begins, pipeline)
        if "text" in begins:
            # The other way round the weights are made for an image beside the noise.
            for kind in {"image", "mask"} - begins:
                if (found := sibling(pipeline, kind)) is not None:
                    self._pipelines[kind] = found
        self.facts = pipeline_facts(pipeline, self._pipelines)
        self._prompt_limits = PromptLimits(pipeline)

    def excess(self, prompt: str) -> tuple[int, int] | None:
        """By the pipeline's own tokenizers."""
        return self._prompt_limits.excess(prompt)

    def begin(self, request: DiffusionRequest) -> DiffusionRun:
        """A run of its own, whose scheduler is nobody else's."""
        kind = "text" if request.image is None else "image" if request.mask is None else "mask"
        # A pipeline keeps what it is doing in itself; its parts keep nothing, but for the scheduler.
        own = copy.copy(self._pipelines[kind])
        own.scheduler = copy.deepcopy(own.scheduler)
        return PipelineRun(own, request, self._device)

    def free_memory_bytes(self) -> int | None:
        """Of the device."""
        return self._device.free_bytes()

    def close(self) -> None:
        """Frees the weights."""
        self._pipelines.clear()
        self._device.forget_unused()


class PipelineRun(DiffusionRun):
    """One call of a pipeline, told where it is by the bar that it would draw.

    Args:
        pipeline: of this run alone.
        request: what to draw.
        device: where it runs.
    """

    def __init__(self, pipeline: Any, request: DiffusionRequest, device: TorchDevice) -> None:
        self.done = self.steps = 0
        self._device = device
        pipeline.progress_bar = self._bar
        self._pause: Callable[[], None] = lambda: None
        self._call = Stepwise(lambda pause: self._draw(pipeline, request, pause), "draw")

    def step(self) -> Drawn | None:
        """As of every run."""
        try:
            return self._call.step()
        except StoppedError:
            raise InternalError("the run was ended") from None

    def close(self) -> None:
        """As of every run."""
        self._call.close()

    def _draw(self, pipeline: Any, request: DiffusionRequest, pause: Callable[[], None]) -> Drawn:
        self._pause = pause
        with refusing(self._device):
            return drawn(pipeline(**arguments_of(pipeline, request)), request)

    def _bar(self, iterable: Any = None, total: int | None = None) -> _Bar:
        self.steps = total if total is not None else len(iterable)
        return _Bar(self._tell, iterable)

    def _tell(self, count: int) -> None:
        self.done += count
        self._pause()


class _Bar:
    """What a pipeline draws its bar with, as of `tqdm`."""

    def __init__(self, tell: Callable[[int], None], iterable: Any) -> None:
        self._tell, self._iterable = tell, iterable

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to do."""

    def __iter__(self) -> Iterator[Any]:
        for each in self._iterable:
            yield each
            self._tell(1)

    def update(self, count: int = 1) -> None:
        """So many steps more are done."""
        self._tell(count)

    def set_postfix(self, *_: object, **__: object) -> None:
        """Nobody reads it."""

    def set_description(self, *_: object, **__: object) -> None:
        """Nobody reads it."""

    def close(self) -> None:
        """Nothing is left to do."""
