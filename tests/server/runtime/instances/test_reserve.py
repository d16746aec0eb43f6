"""What is kept free for other callers, of models with slots and without."""

from __future__ import annotations

import pytest

from panope_server.runtime.instances.in_flight import Entries, Entry


def entry(number: int, slots: int) -> Entry:
    return Entry(number, b"", 1, 1, flow_id=number, caller="ada", work=1, slots=slots)


@pytest.mark.parametrize(
    ("max_slots", "leaves"),
    [(0, True), (64, True), (16, False)],
    ids=["a model without slots", "one with free ones", "one whose last ones are kept"],
)
def test_slots_are_kept_for_other_callers_where_a_model_has_some(max_slots: int, leaves: bool) -> None:
    held = Entries()
    held.add(entry(1, 14))
    assert held.leaves_reserve(entry(2, 2), 512, 1 << 20, max_slots) is leaves
