"""Calls say on what hardware they may run, where their caller says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from panope_client import InvalidArgumentError, on_hardware

HEADER = "x-panope-hardware"
TEXTS = ["a"]


async def test_calls_of_a_block_say_it_and_others_do_not(client: Any, fake: Any) -> None:
    with on_hardware("openvino", "cuda"):
        await client.embed(TEXTS, "vendor/m", priority="high")
        with on_hardware():
            await client.embed(TEXTS, "vendor/m")
    await client.embed(TEXTS, "vendor/m")
    assert [each.get(HEADER) for each in fake.metadata] == ["openvino,cuda", None, None]


async def test_a_block_counts_before_the_metadata_of_the_client(
    connect: Callable[..., Any], server: Any, fake: Any
) -> None:
    client = connect(metadata=[(HEADER, "cpu")])
    with on_hardware("openvino"):
        await client.embed(TEXTS, "vendor/m")
    await client.embed(TEXTS, "vendor/m")
    assert [each[HEADER] for each in fake.metadata] == ["openvino", "cpu"]


@pytest.mark.parametrize("names", [("",), ("a,b",), ("x" * 65,), ("cpu",) * 17, (7,)])
def test_what_is_no_name_is_refused(names: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidArgumentError, match="`names` must be at most 16 names of backends"), on_hardware(*names):
        pass
