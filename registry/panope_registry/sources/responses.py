"""From a hub's refusals to Panope's errors: one table."""

from __future__ import annotations

import math
from collections.abc import Mapping

from panope_backends.errors import AvailabilityError, NotFoundError, PermissionDeniedError

MAX_RETRY_AFTER_SECONDS = 3600.0

HubRefusal = NotFoundError | PermissionDeniedError

#: The hub's `X-Error-Code` -> what is said of the host, and the reason.
_NOT_FOUND = {
    "RepoNotFound": ("`{}` has no such repo, or does not show it without the right token", "repo_not_found"),
    "RevisionNotFound": ("at `{}` the repo has no such revision", "revision_not_found"),
    "EntryNotFound": ("at `{}` the repo has no such file", "entry_not_found"),
}


def refusal(status: int, headers: Mapping[str, str], host: str, page: str = "") -> HubRefusal | AvailabilityError:
    """Returns the error for a status that is no success.

    Args:
        status: of the answer.
        headers: of the answer.
        host: that answers.
        page: where people read of the repo and accept its terms.
    """
    code = headers.get("x-error-code", "")
    if code == "GatedRepo":
        return PermissionDeniedError(
            f"the repo is gated: accept its terms at {page or host}, and give Panope a token of that account",
            reason="gated",
        )
    if code in _NOT_FOUND or status == 404:
        message, reason = _NOT_FOUND.get(code, _NOT_FOUND["RepoNotFound"])
        return NotFoundError(message.format(host), reason=reason)
    if status in (401, 403):
        return PermissionDeniedError(
            f"`{host}` does not accept the token that Panope has for it, or wants one", reason="source_unauthorized"
        )
    if status == 429 or status >= 500:
        return unavailable(f"`{host}` answers with status {status}", headers.get("retry-after", ""))
    return AvailabilityError(f"`{host}` answers with status {status}", reason="source_protocol")


def unavailable(problem: str, retry_after: str = "") -> AvailabilityError:
    """Returns a failure that may pass; `retry_after` is the header of that name."""
    return AvailabilityError(problem, reason="source_unavailable", retry_after_seconds=_seconds(retry_after))


def _seconds(text: str) -> float:
    """Returns one second when it is missing, or a date, which hubs do not send."""
    try:
        seconds = float(text)
    except ValueError:
        return 1.0
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS) if math.isfinite(seconds) else 1.0
