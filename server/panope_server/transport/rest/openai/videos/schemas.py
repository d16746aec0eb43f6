"""OpenAI's form of a video to generate, and videos as its clients read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from panope_backends.errors import InvalidInputError, NotFoundError
from panope_registry.jobs import JobEntry, JobStatus
from panope_registry.jobs.kinds import GENERATE_VIDEO
from panope_server.tasks.vision.diffusion_spec import DiffusionSpec
from panope_server.tasks.vision.images import Image, image_in, image_of_uri
from panope_server.tasks.vision.video_generation import MAX_FRAMES, MAX_FRAMES_PER_SECOND, VideoGenerationInput
from panope_server.transport.job_json import files_of, job_id_of
from panope_server.transport.rest.image_generation.openai_schemas import Guidance, Seed, Size, Steps, size_of

PREFIX = "video_"
INPUT_REFERENCE = "input_reference"
AUTO = "auto"
"""What is told of a size and a duration that the model chooses, until it has."""

VideoStatus = Literal["queued", "in_progress", "completed", "failed"]

_STATUSES: Mapping[JobStatus, VideoStatus] = {
    JobStatus.WAITING: "queued",
    JobStatus.QUEUED: "queued",
    JobStatus.RUNNING: "in_progress",
    JobStatus.SUCCEEDED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "failed",
}

#: Of models that are not loaded: frames of a second, and a multiple that fits all that there are.
_FRAMES_PER_SECOND, _FRAMES_MULTIPLE = 16, 8


class ImageReference(Struct, forbid_unknown_fields=True):
    """An image by its URL.

    Attributes:
        image_url: Of https or http where the settings `media_urls` allow it, or a `data:` URL.
    """

    image_url: Annotated[str, Meta(min_length=1)]


class VideoForm(Struct, forbid_unknown_fields=True, kw_only=True):
    """The form of POST /v1/videos, and its JSON.

    Attributes:
        prompt: What is to be seen.
        model: Absent for the default model.
        seconds: How long it is, to the frame that the model can make; absent for the model's own.
        size: `WIDTHxHEIGHT`, or `auto` for the model's own.
        input_reference: The image that it begins with: a file of a form, its URL, or what holds it in base64.
        negative_prompt: What is not to be seen. Not of OpenAI's, as all that follows.
        frames_per_second: How many are shown in a second.
        steps: Denoising steps.
        guidance_scale: How closely to keep to the prompt.
        seed: Draws the same video each time.
    """

    prompt: str
    model: Annotated[str, Meta(min_length=1)] | None = None
    seconds: Annotated[str, Meta(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3})?\Z")] | None = None
    size: Size | None = None
    input_reference: Annotated[str, Meta(extra_json_schema={"format": "binary"})] | ImageReference | None = None
    negative_prompt: str | None = None
    frames_per_second: Annotated[int, Meta(ge=1)] | None = None
    steps: Steps | None = None
    guidance_scale: Guidance | None = None
    seed: Seed | None = None


class VideoErrorJson(Struct):
    """Why there is no video."""

    code: str
    message: str


class VideoJson(Struct):
    """A video, or the work on it.

    Attributes:
        progress: in per cent.
        seconds: how long it is; `auto` while the model chooses.
        expires_at: when its file goes, in seconds of Unix time as all times are.
    """

    id: str
    object: Literal["video"]
    model: str
    status: VideoStatus
    progress: int
    created_at: int
    completed_at: int | None
    expires_at: int | None
    prompt: str
    seconds: str
    size: str
    error: VideoErrorJson | None
    remixed_from_video_id: None = None


class VideosJson(Struct):
    """Videos, newest first."""

    object: Literal["list"]
    data: list[VideoJson]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedVideoJson(Struct):
    """A video whose file was removed."""

    id: str
    object: Literal["video.deleted"]
    deleted: bool


def input_of(form: VideoForm, file: bytes | None, spec: DiffusionSpec | None) -> VideoGenerationInput:
    """What a form asks for.

    Args:
        form: as it came.
        file: the image that came with it; None for no file.
        spec: of its model; None where that was not loaded yet.

    Raises:
        InvalidInputError: the URL of the image is of another kind, or the video has too many frames.
    """
    width, height = size_of(form.size)
    frames, shown = 0, form.frames_per_second or 0
    # What is refused anyway is not reckoned with: JSON's numbers may have hundreds of digits.
    if form.seconds is not None and shown <= MAX_FRAMES_PER_SECOND:
        shown = shown or (spec.frames_per_second if spec else 0) or _FRAMES_PER_SECOND
        frames = _frames_of(float(form.seconds), shown, (spec.frames_multiple if spec else 0) or _FRAMES_MULTIPLE)
    return VideoGenerationInput(
        form.prompt,
        form.negative_prompt,
        width,
        height,
        frames,
        shown,
        form.steps or 0,
        form.guidance_scale,
        form.seed,
        image=_image_of(form.input_reference) if file is None else Image(content=file),
    )


def _frames_of(seconds: float, shown: int, multiple: int) -> int:
    frames = 1 + multiple * max(0, round((seconds * shown - 1) / multiple))
    if frames > MAX_FRAMES:
        raise InvalidInputError.at(
            "seconds",
            "{field} come to {frames:,} frames at {shown} in a second; the limit is {limit:,} frames",
            frames=frames,
            shown=shown,
            limit=MAX_FRAMES,
        )
    return frames


def _image_of(reference: str | ImageReference | None) -> Image | None:
    if isinstance(reference, ImageReference):
        return image_of_uri(reference.image_url, f"{INPUT_REFERENCE}.image_url")
    return None if reference is None else image_in(reference, INPUT_REFERENCE)


def video_json(job: JobEntry) -> VideoJson:
    """A job as a video."""
    asked: Mapping[str, Any] = job.payload["input"]
    made: Mapping[str, Any] = next(iter(job.result.get("files", ())), {})
    width, height = made.get("width", asked["width"]), made.get("height", asked["height"])
    frames = made.get("frames", asked["frames"])
    shown = made.get("frames_per_second", asked["frames_per_second"])
    is_done = job.status is JobStatus.SUCCEEDED
    progress = job.progress
    return VideoJson(
        id=f"{PREFIX}{job.id}",
        object="video",
        model=job.payload["model"],
        status=_STATUSES[job.status],
        progress=100 if is_done else progress.done * 100 // progress.total if progress.total else 0,
        created_at=int(job.created_at.timestamp()),
        completed_at=_seconds(job.finished_at),
        expires_at=_seconds(job.files_until),
        prompt=asked["prompt"],
        seconds=f"{frames / shown:g}" if frames and shown else AUTO,
        size=f"{width}x{height}" if width and height else AUTO,
        error=_error_of(job),
    )


def job_of(video: str) -> int:
    """The id of a video's job; NotFoundError for what is none."""
    try:
        return job_id_of(video.removeprefix(PREFIX) if video.startswith(PREFIX) else "")
    except NotFoundError:
        raise video_not_found() from None


def checked(job: JobEntry) -> JobEntry:
    """A job that makes a video; NotFoundError for another."""
    if job.kind != GENERATE_VIDEO:
        raise video_not_found()
    return job


def video_not_found() -> NotFoundError:
    """For an id that no video of the caller's has."""
    return NotFoundError("there is no such video", reason="video_not_found", field="video_id")


def is_there(job: JobEntry) -> bool:
    """Whether a video's file can be had."""
    return bool(files_of(job))


def _error_of(job: JobEntry) -> VideoErrorJson | None:
    if job.status is JobStatus.CANCELLED:
        return VideoErrorJson("cancelled", "the video was cancelled")
    return VideoErrorJson(job.error_reason, job.error_message) if job.status is JobStatus.FAILED else None


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
