"""One video on its way: its steps, and then the pieces of its file."""

from __future__ import annotations

from fractions import Fraction

from panope.worker.v1 import video_generation_pb2 as messages
from panope_backends.api import DiffusionModel, DiffusionRequest, Drawn
from panope_backends.media.video_writer import video_file
from panope_backends.tasks.diffusion import Drawing
from panope_backends.tasks.task import DeviceJob

#: Of one part of an answer.
PIECE_BYTES = 1 << 20


class VideoJob(DeviceJob):
    """Tells of each step, and then the file.

    Args:
        model: that draws.
        request: what.
        output_format: of the file.
    """

    def __init__(self, model: DiffusionModel, request: DiffusionRequest, output_format: str) -> None:
        self._drawing = Drawing(model)
        self._request, self._format = request, output_format
        self._rest: bytes | None = None

    def step(self) -> tuple[bytes, bool]:
        """A step, or a piece of the file."""
        if self._rest is None:
            told = self._drawing.step(self._request, 0)
            if told is None:
                return b"", True
            if not isinstance(told, Drawn):
                return messages.VideoGenerationOutput(progress=told).SerializeToString(), False
            self._rest = self._file(told)
        made, self._rest = self._rest[:PIECE_BYTES], self._rest[PIECE_BYTES:]
        request = self._request
        piece = messages.VideoPiece(
            content=made,
            width=request.width,
            height=request.height,
            frames=request.frames,
            frames_per_second=request.frames_per_second,
            seed=request.seed,
        )
        return messages.VideoGenerationOutput(piece=piece).SerializeToString(), not self._rest

    def close(self) -> None:
        """Ends what is drawn now."""
        self._drawing.close()

    def _file(self, drawn: Drawn) -> bytes:
        request = self._request
        size = request.width, request.height
        return video_file(drawn.frames, size, Fraction(request.frames_per_second), self._format)
