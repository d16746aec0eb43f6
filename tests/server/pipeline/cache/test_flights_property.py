"""Flights, whatever their readers and runs do: each reader gets the parts from the first on, in order, and one end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from panope_server.pipeline.cache.flights import MAX_AHEAD, Flight, FlightError, Flights

KEY = b"k"
PARTS = 2 * MAX_AHEAD + 3
SECONDS = 20

#: How many turns of the loop a caller waits before it comes, and how many parts it reads before it goes away.
CALLERS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, PARTS) | st.none()), min_size=1, max_size=6)


@dataclass
class Run:
    """Runs of one key, each of which fails before one of its parts, or does not."""

    fails_at: int | None
    running: int = 0
    most: int = 0
    begun: int = 0
    ended: int = 0
    readers: list[Any] = field(default_factory=list)

    async def fly(self, flight: Flight[int]) -> None:
        self.begun += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for part in range(PARTS):
                if part == self.fails_at:
                    raise ValueError
                await flight.put(part)
                furthest = max((reader.position for reader in self.readers), default=0)
                assert part - furthest <= MAX_AHEAD, "nobody has read that far"
        finally:
            self.running -= 1
            self.ended += 1


async def called(flights: Flights[int], run: Run, wait: int, reads: int | None) -> tuple[list[int], bool]:
    """What a caller read, and whether it was told that the run failed; one that joins late, or leads."""
    for _ in range(wait):
        await asyncio.sleep(0)
    flight = flights.get(KEY) or flights.start([KEY], run.fly)
    found: list[int] = []
    with flight.reader() as reader:
        run.readers.append(reader)
        try:
            while reads is None or len(found) < reads:
                part = await reader.next()
                if part is None:
                    break
                found.append(part)
        except FlightError:
            return found, True
        finally:
            run.readers.remove(reader)
    return found, False


@given(callers=CALLERS, fails_at=st.integers(0, PARTS - 1) | st.none())
async def test_every_reader_gets_every_part_once_and_a_run_ends_with_its_last_reader(
    callers: list[tuple[int, int | None]], fails_at: int | None
) -> None:
    flights: Flights[int] = Flights()
    run = Run(fails_at)
    async with asyncio.timeout(SECONDS):
        told = await asyncio.gather(*(called(flights, run, wait, reads) for wait, reads in callers))
        while run.running:  # noqa: ASYNC110 - a run that is given up has nobody to tell
            await asyncio.sleep(0)
    last = PARTS if fails_at is None else fails_at
    for (_, reads), (found, has_failed) in zip(callers, told, strict=True):
        assert found == list(range(len(found))), "from the first on, in order"
        assert len(found) == (last if reads is None else min(reads, last))
        assert has_failed == (fails_at is not None and (reads is None or reads > last))
    assert run.begun == run.ended or any(reads == 0 for _, reads in callers)
    assert run.most <= 1, "equal calls that come together run once"
    assert len(flights) == 0, "nothing is left that could be joined"
