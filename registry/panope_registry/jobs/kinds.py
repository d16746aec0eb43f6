"""The kinds of job that Panope has; `job_handlers` has a handler for each."""

from __future__ import annotations

from panope_backends.errors import InvalidInputError

REPO_SYNC = "repo_sync"
"""Looks at a model's repo and records what it holds."""
ARTIFACT_DOWNLOAD = "artifact_download"
"""Downloads the files of one variant."""
BUILD_ENGINE = "build_engine"
"""Converts a variant to another format or precision."""
QUANTIZE = "quantize"
"""Converts a variant to coarser weights than models come with."""
SHARE = "share"
"""Uploads a variant's files to the shared store."""

GENERATE_IMAGES = "generate_images"
"""Generates images by a text, for a caller."""
GENERATE_VIDEO = "generate_video"
"""Generates a video by a text, for a caller."""

INTERPOLATE_VIDEO = "interpolate_video"
"""Makes frames between those of a video, for a caller."""

GENERATION = (GENERATE_IMAGES, GENERATE_VIDEO, INTERPOLATE_VIDEO)
"""Those that servers run, which have the models."""

KINDS = (REPO_SYNC, ARTIFACT_DOWNLOAD, BUILD_ENGINE, QUANTIZE, SHARE, *GENERATION)


def check_kind(kind: str) -> None:
    """Refuses a kind that no job has.

    Raises:
        InvalidInputError: it lists the kinds.
    """
    if kind not in KINDS:
        known = ", ".join(f"`{name}`" for name in KINDS)
        raise InvalidInputError.at("kind", "{field} must be one of {known}", known=known)
