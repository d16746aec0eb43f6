"""What comes of a job: the parts of an answer become files, and steps or frames its progress."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from panope_registry.job_files import FileWriter, JobFile
from panope_server.tasks.task import Input, Output
from panope_server.tasks.vision.frame_interpolation import FrameInterpolationInput, FrameInterpolationOutput
from panope_server.tasks.vision.image_generation import GeneratedImage, ImageGenerationInput, ImageGenerationOutput
from panope_server.tasks.vision.video_generation import (
    MEDIA_TYPES,
    Video,
    VideoFormat,
    VideoGenerationInput,
    VideoGenerationOutput,
)


def unit_of(task_input: Input) -> str:
    """What is counted while an input's job runs."""
    return "frames" if isinstance(task_input, FrameInterpolationInput) else "steps"


def progress_of(task_input: Input, part: Output) -> tuple[int, int] | None:
    """How much is done and all of it, 0 while unknown; None for a part that tells of neither."""
    if isinstance(part, FrameInterpolationOutput):
        return None if part.progress is None else (part.progress.frames, part.progress.total_frames)
    if not isinstance(part, ImageGenerationOutput | VideoGenerationOutput) or part.progress is None:
        return None
    told = part.progress
    count = task_input.count if isinstance(task_input, ImageGenerationInput) else 1
    return told.index * told.steps + told.step, count * told.steps


class ResultWriter:
    """Writes the parts of one answer to files; called in threads, one call after the other.

    A job that is cancelled waits for no thread: what it still writes is waited for by `close`, and then goes too.
    """

    def __init__(self, folder: Path, task_input: Input) -> None:
        self._folder = folder
        self._input = task_input
        self._lock = threading.Lock()
        self._is_closed = False
        self._stack = ExitStack()
        self._video: tuple[FileWriter, Video] | None = None
        self._files: list[JobFile] = []

    def put(self, part: Output) -> None:
        """Takes the next part.

        Raises:
            CapacityError: the disk is full (`disk_full`).
        """
        with self._lock:
            if self._is_closed:
                return
            if isinstance(part, ImageGenerationOutput):
                for image in part.images:
                    self._put_image(image)
            elif isinstance(part, VideoGenerationOutput | FrameInterpolationOutput) and part.video is not None:
                self._put_piece(part.video)

    def finish(self) -> list[JobFile]:
        """Gives the last file its name; all files, in their order."""
        with self._lock:
            if self._video is not None and not self._is_closed:
                writer, video = self._video
                self._finish(writer, MEDIA_TYPES[self._video_format], **self._facts_of(video))
            return self._files

    def close(self, *, keep: bool) -> None:
        """Removes what is not whole, and the files too unless they are to be kept."""
        with self._lock:
            self._is_closed = True
            self._stack.close()
            if not keep:
                for file in self._files:
                    (self._folder / file.name).unlink(missing_ok=True)

    def _put_image(self, image: GeneratedImage) -> None:
        assert isinstance(self._input, ImageGenerationInput)
        kind = self._input.output_format
        writer = self._open(f"{image.index}.{kind}")
        writer.write(image.content)
        facts = {"width": image.width, "height": image.height, "seed": image.seed, "flagged": image.flagged}
        self._finish(writer, f"image/{kind}", **facts)

    def _put_piece(self, piece: Video) -> None:
        if self._video is None:
            self._video = self._open(f"0.{self._video_format}"), piece
        writer, _ = self._video
        writer.write(piece.content)
        self._video = writer, piece

    @property
    def _video_format(self) -> VideoFormat:
        assert isinstance(self._input, VideoGenerationInput | FrameInterpolationInput)
        return self._input.output_format

    def _facts_of(self, video: Video) -> dict[str, Any]:
        names = ["width", "height", "frames", "frames_per_second"]
        names.append("seed" if isinstance(self._input, VideoGenerationInput) else "has_audio")
        return {name: getattr(video, name) for name in names}

    def _open(self, name: str) -> FileWriter:
        return self._stack.enter_context(FileWriter(self._folder, name))

    def _finish(self, writer: FileWriter, media_type: str, **facts: Any) -> None:
        writer.finish()
        self._files.append(JobFile(writer.name, media_type, writer.size_bytes, writer.sha256, facts))
