"""What stands when reads of everything and of one name overlap."""

from __future__ import annotations

from panope_server.runtime.async_registry.last_known import LastKnown


def test_what_was_added_while_everything_was_read_is_not_taken_away() -> None:
    known = LastKnown[int]()
    everything = known.begin()
    one = known.begin()
    known.put(one, "new", 1)
    assert not known.replace(everything, {"old": 0})
    assert known.values == {"old": 0, "new": 1}
    assert known.replace(known.begin(), {"old": 0})  # read again, and gone by now
    assert known.values == {"old": 0}


def test_a_slow_read_of_one_name_does_not_bring_back_what_is_gone() -> None:
    known = LastKnown[int]()
    one = known.begin()
    assert known.replace(known.begin(), {})
    known.put(one, "gone", 1)
    assert known.values == {}


def test_of_two_reads_of_one_name_the_later_stands_whichever_ends_first() -> None:
    known = LastKnown[int]()
    first, second = known.begin(), known.begin()
    known.put(second, "name", 2)
    known.put(first, "name", 1)
    assert known.values == {"name": 2}


def test_of_two_reads_of_everything_the_later_stands_whichever_ends_first() -> None:
    known = LastKnown[int]()
    first, second = known.begin(), known.begin()
    assert known.replace(second, {"name": 2})
    assert not known.replace(first, {"name": 1})
    assert known.values == {"name": 2}
