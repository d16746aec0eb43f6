"""The images of one request, one after another and step by step."""

from __future__ import annotations

from collections.abc import Sequence

from panope.worker.v1 import image_generation_pb2 as messages
from panope_backends.api import DiffusionModel, DiffusionRequest, Drawn
from panope_backends.media.image_files import file_of
from panope_backends.tasks.diffusion import Drawing
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
        self._drawing, self._requests = Drawing(model), requests
        self._format, self._quality = output_format, quality
        self._index = 0

    def step(self) -> tuple[bytes, bool]:
        """A step, or an image; the last image is the end."""
        told = self._drawing.step(self._requests[self._index], self._index)
        if told is None:
            return b"", True
        if isinstance(told, Drawn):
            return self._told(told)
        return messages.ImageGenerationOutput(progress=told).SerializeToString(), False

    def close(self) -> None:
        """Ends what is drawn now."""
        self._drawing.close()

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
        self._index += 1
        output = messages.ImageGenerationOutput(image=image).SerializeToString()
        return output, self._index == len(self._requests)
