"""Downloads: resumed, verified, never half there."""

from panope_registry.download.downloader import Downloader
from panope_registry.download.leftovers import Leftover, discard_leftover, leftovers
from panope_registry.download.retries import DOWNLOAD_RETRIES
from panope_registry.download.segments import in_segments
from panope_registry.download.stream import OpenAt, Stream
from panope_registry.download.types import DownloadStopped, ExpectedBlob, Request, StopReason

__all__ = [
    "DOWNLOAD_RETRIES",
    "DownloadStopped",
    "Downloader",
    "ExpectedBlob",
    "Leftover",
    "OpenAt",
    "Request",
    "StopReason",
    "Stream",
    "discard_leftover",
    "in_segments",
    "leftovers",
]
