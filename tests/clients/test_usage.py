"""What callers have used, through either client."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from panope.v1.usage_service_pb2 import ListUsageRequest
from panope_client import InvalidArgumentError

MOMENT = datetime(2026, 1, 2, 3, tzinfo=UTC)


async def test_all_pages_of_usage_are_listed(client: Any, fake: Any) -> None:
    usage = await client.usage(by=["model", "day"], since=MOMENT, principal="", task="embed")

    assert [(each.model, each.requests) for each in usage] == [("acme/a", 3), ("acme/b", 3)]
    assert [request.page_token for request in fake.requests] == ["", "more"]
    asked = fake.requests[0]
    assert list(asked.by) == [ListUsageRequest.DIMENSION_MODEL, ListUsageRequest.DIMENSION_DAY]
    assert (asked.start_time.ToDatetime(UTC), asked.HasField("end_time")) == (MOMENT, False)
    assert (asked.HasField("principal"), asked.principal, asked.task) == (True, "", "embed")


@pytest.mark.parametrize(
    ("name", "value"),
    [("by", "key"), ("by", ["week"]), ("since", "2026-01-02"), ("until", datetime(2026, 1, 2)), ("model", 3)],
)
async def test_wrong_words_are_refused_by_their_argument(client: Any, fake: Any, name: str, value: object) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        await client.usage(**{name: value})
    assert caught.value.field == name
    assert fake.requests == []
