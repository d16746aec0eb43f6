"""The kinds of job that Panope has; `job_handlers` has a handler for each."""

from __future__ import annotations

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
