"""Calls say how urgent they are, in their metadata, and nothing where their caller says nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from panope_client import InvalidArgumentError

HEADER = "x-panope-priority"
TEXTS = ["a"]


@pytest.mark.parametrize("priority", ["high", "normal", "low"])
async def test_calls_that_run_models_say_their_priority(client: Any, fake: Any, priority: str) -> None:
    await client.embed(TEXTS, "vendor/m", priority=priority)
    await client.embed_many(TEXTS, "vendor/m", priority=priority)
    await client.tokenize(TEXTS, "vendor/m", priority=priority)
    await client.classify(TEXTS, "vendor/m", priority=priority)
    await client.rerank("a", ["b"], "vendor/m", priority=priority)
    await client.infer({"x": np.zeros(2, np.float32)}, "vendor/m", priority=priority)
    assert [each[HEADER] for each in fake.metadata] == [priority] * 6


async def test_a_calls_priority_counts_before_that_of_its_client(
    connect: Callable[..., Any], server: Any, fake: Any
) -> None:
    client = connect(metadata=[(HEADER, "low")])
    await client.embed(TEXTS, "vendor/m", priority="high")
    await client.embed(TEXTS, "vendor/m")
    assert [each[HEADER] for each in fake.metadata] == ["high", "low"]


async def test_calls_of_no_priority_leave_it_to_the_server(client: Any, fake: Any) -> None:
    await client.embed(TEXTS, "vendor/m")
    assert HEADER not in fake.metadata[0]


async def test_what_is_no_priority_is_refused_before_the_call(client: Any, fake: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="`priority` must be one of high, normal, low") as caught:
        await client.embed(TEXTS, "vendor/m", priority="urgent")
    assert caught.value.field == "priority"
    assert fake.requests == []
