"""How urgent a call is."""

from __future__ import annotations

from typing import Any

import pytest

from panope_backends.errors import InvalidInputError
from panope_registry.access.priority import Priority
from panope_server.access.principal import ANONYMOUS, Principal, set_principal
from panope_server.pipeline.call import Call
from panope_server.pipeline.prioritize import Prioritize
from panope_server.tasks.generate.types import GenerateInput, GenerationOptions


async def prioritized(call: Call) -> int:
    async def forward(_: Call) -> None:
        pass

    await Prioritize()(call, forward)
    return call.priority


def generating(call: Any, number: int) -> Call:
    made: Call = call(GenerateInput(prompts=["a"], options=GenerationOptions(priority=number)), task="generate")
    return made


@pytest.mark.parametrize(
    ("word", "number", "expected"),
    [
        (None, 0, 0),
        (None, 40, 40),
        (None, -3, -3),
        (Priority.HIGH, 0, 1),
        (Priority.LOW, 0, -1),
        (Priority.NORMAL, 0, 0),
        (Priority.HIGH, 40, 40),
        (Priority.LOW, -100, -100),
    ],
)
async def test_the_metadata_names_the_class_and_the_input_a_place_in_it(
    call: Any, word: Priority | None, number: int, expected: int
) -> None:
    made = generating(call, number)
    made.asked_priority = word
    assert await prioritized(made) == expected


@pytest.mark.parametrize(("word", "number"), [(Priority.HIGH, -1), (Priority.LOW, 1), (Priority.NORMAL, 5)])
async def test_a_call_that_contradicts_itself_is_refused(call: Any, word: Priority, number: int) -> None:
    made = generating(call, number)
    made.asked_priority = word
    with pytest.raises(InvalidInputError, match=r"`priority` asks for .*, `x-panope-priority` for") as refused:
        await prioritized(made)
    assert refused.value.field == "priority"


@pytest.mark.parametrize(
    ("most", "number", "expected"),
    [(Priority.HIGH, 40, 40), (Priority.NORMAL, 40, 0), (Priority.NORMAL, -2, -2), (Priority.LOW, 0, -1)],
)
async def test_a_call_is_no_more_urgent_than_its_caller_may(
    call: Any, most: Priority, number: int, expected: int
) -> None:
    set_principal(Principal("ada", max_priority=most))
    try:
        assert await prioritized(generating(call, number)) == expected
    finally:
        set_principal(ANONYMOUS)
