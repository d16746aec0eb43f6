"""What callers have used, made up."""

from __future__ import annotations

from collections.abc import Sequence

from panope_registry.serving_records.usage import Dimension, UsageCounts, UsageFilter, UsageSum

COUNTS = UsageCounts(7, 1, 300, 20, 40, 5_000, 6_000, 1_500_000)


class FakeUsage:
    """Tells three sums, and who asked how by their words."""

    async def sums(self, only: UsageFilter, *, by: Sequence[Dimension], offset: int, limit: int) -> Sequence[UsageSum]:
        day = "2026-01-02" if Dimension.DAY in by else ""
        models = [only.model] if only.model else ["acme/a", "acme/b", "acme/c"]
        key = only.principal if only.principal is not None else "ada"
        sums = [UsageSum(day, key if Dimension.KEY in by else None, model, None, COUNTS) for model in models]
        return sums[offset : offset + limit]
