"""What was used, for callers that see every model."""

from __future__ import annotations

from collections.abc import Sequence

from panope_backends.errors import PermissionDeniedError
from panope_registry.serving_records.usage import Dimension, UsageFilter, UsageSum
from panope_server.access.principal import current_principal
from panope_server.runtime.async_registry.usage import AsyncUsage


class AuthorizedUsage:
    """Tells what was used to whoever sees all models: sums over some would tell of the others."""

    def __init__(self, usage: AsyncUsage) -> None:
        self._usage = usage

    async def sums(self, only: UsageFilter, *, by: Sequence[Dimension], offset: int, limit: int) -> Sequence[UsageSum]:
        """As `AsyncUsage.sums`; PermissionDeniedError for a key that sees some models alone."""
        if not current_principal().models.are_all:
            raise PermissionDeniedError("the key sees some models alone, and usage is of all", reason="scope_missing")
        return await self._usage.sums(only, by=by, offset=offset, limit=limit)
