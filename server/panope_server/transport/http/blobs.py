"""Verified bytes of the store as HTTP answers."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from panope_registry.models.published_files import ServedBlob

BYTES = "application/octet-stream"
TEXT = "text/plain; charset=utf-8"


def blob_response(
    request: Request, blob: ServedBlob, name: str, headers: Mapping[str, str], media: str = BYTES
) -> Response:
    """Bytes, whole or in ranges; 304 for a caller that has them.

    Args:
        request: which may say what its caller has.
        blob: the bytes.
        name: of the file; without one the answer is to be shown, not to be kept.
        headers: to send besides.
        media: the content type.
    """
    etag = f'"{blob.sha256}"'
    told = {
        **headers,
        "etag": etag,
        "accept-ranges": "bytes",
        # A browser must not run what a model's repo brought.
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox",
    }
    if _has(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=told)
    return FileResponse(blob.path, headers=told, media_type=media, filename=name or None)


def _has(known: str, etag: str) -> bool:
    """Whether an If-None-Match names a tag; strong and weak ones are alike there."""
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    return etag in tags or known.strip() == "*"
