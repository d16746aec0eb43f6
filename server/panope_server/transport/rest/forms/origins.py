"""Who may send forms: they are what pages of other sites can send without asking first."""

from __future__ import annotations

from collections.abc import Collection

from panope_backends.errors import PermissionDeniedError
from panope_server.transport.interceptors.context import Context, metadata_of


def refuse_other_origins(context: Context, origins: Collection[str]) -> None:
    """Refuses a form of a page that may not call.

    Args:
        context: of the call.
        origins: that may; `*` for any.

    Raises:
        PermissionDeniedError: the page is of another.
    """
    origin = metadata_of(context).get("origin", "")
    if origin and "*" not in origins and origin not in origins:
        raise PermissionDeniedError(
            "pages of this origin may not send forms; `cors_origins` lists those that may", reason="origin_refused"
        )
