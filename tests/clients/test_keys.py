"""API keys, through either client."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from panope_client import InvalidArgumentError, Key

MOMENT = datetime(2036, 1, 2, 3, tzinfo=UTC)


async def test_all_pages_of_keys_are_listed(client: Any, fake: Any) -> None:
    assert [key.name for key in await client.keys(include_ended=True)] == ["a", "b"]
    assert [(request.page_token, request.include_ended) for request in fake.requests] == [("", True), ("more", True)]


async def test_a_key_is_made_rotated_and_revoked(client: Any, fake: Any) -> None:
    made = await client.create_key("ci", ["embed:*"], models=["acme/*"], request_limits=["100/s"], expires_at=MOMENT)
    assert (made.key.name, made.api_key) == ("ci", "panope_made")
    asked = fake.requests[0]
    assert (asked.scopes, asked.models, asked.request_limits) == (["embed:*"], ["acme/*"], ["100/s"])
    assert asked.expire_time.ToDatetime(UTC) == MOMENT
    assert (await client.key("ci")).name == "ci"
    assert (await client.rotate_key("ci", grace_seconds=1.5)).api_key == "panope_rotated"
    assert fake.requests[-1].grace.ToTimedelta().total_seconds() == 1.5
    assert (await client.revoke_key("ci")).state == Key.STATE_REVOKED


@pytest.mark.parametrize(
    ("more", "name"),
    [({"scopes": "embed:*"}, "scopes"), ({"models": 3}, "models"), ({"expires_at": "soon"}, "expires_at")],
)
async def test_wrong_words_are_refused_by_their_argument(
    client: Any, fake: Any, more: dict[str, object], name: str
) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        await client.create_key(**{"name": "ci", "scopes": ["admin"]} | more)
    assert caught.value.field == name
    assert fake.requests == []
