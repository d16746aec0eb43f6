"""The images of one request, one after another and step by step."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from panope.worker.v1 import image_generation_pb2 as messages
from panope.worker.v1.diffusion_pb2 import DiffusionProgress
from panope_backends.api import DiffusionModel, DiffusionRequest, DiffusionRun, Drawn
from panope_backends.errors import PanopeError
from panope_backends.media.image_files import file_of
from panope_backends.tasks.task import DeviceJob


class ImageJob(DeviceJob):
    """Tells of each step, and of each image when it is there. Each has noise of its own, as if it were asked for alone.

    Args:
        model: that draws.
        requests: one for each image, at least one.
        output_format: of files.
        quality: of files; 0 for the usual one.
    """

    def __init__(
        self, model: DiffusionModel, requests: Sequence[DiffusionRequest], output_format: str, quality: int
    ) -> None:
        self._model, self._requests = model, requests
        self._format, self._quality = output_format, quality
        self._index = 0
        self._run: DiffusionRun | None = None
        self._over = threading.Event()

    def step(self) -> tuple[bytes, bool]:
        """A step, or an image; the last image is the end."""
        run = self._run or self._model.begin(self._requests[self._index])
        self._run = run
        if self._over.is_set():  # it was closed before there was a run to end
            run.close()
            return b"", True
        try:
            drawn = run.step()
        except PanopeError:
            if self._over.is_set():  # which ended it, and nobody asks why
                return b"", True
            raise
        if drawn is None:
            progress = DiffusionProgress(index=self._index, step=min(run.done, run.steps), steps=run.steps)
            return messages.ImageGenerationOutput(progress=progress).SerializeToString(), False
        return self._told(drawn)

    def close(self) -> None:
        """Ends what is drawn now."""
        self._over.set()
        if (run := self._run) is not None:
            run.close()

    def _told(self, drawn: Drawn) -> tuple[bytes, bool]:
        request, index = self._requests[self._index], self._index
        image = messages.GeneratedImage(
            index=index,
            width=request.width,
            height=request.height,
            content=file_of(drawn.frames[0], self._format, self._quality),
            seed=request.seed,
            flagged=drawn.is_flagged,
        )
        self._run, self._index = None, index + 1
        output = messages.ImageGenerationOutput(image=image).SerializeToString()
        return output, self._index == len(self._requests)
