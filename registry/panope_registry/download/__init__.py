"""Downloads: resumed, verified, never half there."""

from panope_registry.download.downloader import Downloader
from panope_registry.download.leftovers import Leftover, discard_leftover, leftovers
from panope_registry.download.retry_policy import Patience
from panope_registry.download.segments import in_segments
from panope_registry.download.stream import OpenAt, Stream
from panope_registry.download.types import DownloadStopped, Request, StopReason, WantedBlob

__all__ = [
    "DownloadStopped",
    "Downloader",
    "Leftover",
    "OpenAt",
    "Patience",
    "Request",
    "StopReason",
    "Stream",
    "WantedBlob",
    "discard_leftover",
    "in_segments",
    "leftovers",
]
