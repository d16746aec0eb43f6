"""Metrics as they are asked for: Prometheus's text or OpenMetrics, as they are or compressed."""

from __future__ import annotations

import gzip
from collections.abc import Callable

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, gzip_accepted
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response


def metrics_response(
    request: Request, plain: Callable[[], bytes], openmetrics: Callable[[], bytes] | None = None
) -> Response:
    """The metrics.

    Args:
        request: its Accept and Accept-Encoding choose.
        plain: Prometheus's text format.
        openmetrics: the newer one; None when it is not to be had.
    """
    wants_new = openmetrics is not None and "application/openmetrics-text" in request.headers.get("accept", "")
    kind = CONTENT_TYPE_LATEST if wants_new else CONTENT_TYPE_PLAIN_0_0_4
    body = openmetrics() if wants_new and openmetrics is not None else plain()
    headers = {"content-type": kind, "vary": "Accept, Accept-Encoding"}
    if gzip_accepted(request.headers.get("accept-encoding", "")):
        body = gzip.compress(body, compresslevel=1)
        headers["content-encoding"] = "gzip"
    return Response(body, headers=headers)
