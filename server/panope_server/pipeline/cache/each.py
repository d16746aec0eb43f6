"""Answers that are kept item by item: of a hundred texts of which one is new, one is run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from panope_backends.errors import InternalError, PanopeError
from panope_server.pipeline.cache.flights import Flight, FlightError, Reader
from panope_server.pipeline.cache.kept import answer_of
from panope_server.pipeline.cache.lookup import Lookup
from panope_server.tasks.catalog import MAX_REQUEST_ITEMS
from panope_server.tasks.task import Output

Landed = Mapping[bytes, bytes]
"""The answers to some items, as they are kept, by their keys."""


class EachAnswer:
    """Answers one call of a task that answers item by item."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._found: dict[bytes, bytes] = {}
        self._readers: dict[bytes, Reader[Landed]] = {}
        self._own: set[Reader[Landed]] = set()
        self._positions = {key: at for at, key in reversed(list(enumerate(lookup.keys)))}  # the first of equal items

    async def run(self) -> None:
        """Answers the call."""
        lookup = self._lookup
        keys = list(dict.fromkeys(lookup.keys))
        self._found = await lookup.find(keys)
        with ExitStack() as reading:
            missing = [key for key in keys if key not in self._found]
            to_run = self._join_flights(missing, reading)
            lookup.tell(self._found.values(), run=len(to_run), joined=len(missing) - len(to_run))
            if to_run:
                self._fly(to_run, reading, others_may_join=True)
            await self._answer(reading)

    def _join_flights(self, keys: Sequence[bytes], reading: ExitStack) -> list[bytes]:
        """Reads what other calls run of the keys; those that nobody runs."""
        readers: dict[Flight[Landed], Reader[Landed]] = {}
        left = []
        for key in keys:
            flight = self._lookup.flight_of(key)
            if flight is None:
                left.append(key)
                continue
            if flight not in readers:
                readers[flight] = reading.enter_context(flight.reader())
            self._readers[key] = readers[flight]
        return left

    def _fly(self, keys: Sequence[bytes], reading: ExitStack, *, others_may_join: bool) -> None:
        """Begins to run items."""
        lookup = self._lookup
        flying = _Flying(lookup, keys, [self._positions[key] for key in keys])
        flight = lookup.flights.start(keys, flying.run, lookup.call.priority) if others_may_join else Flight(flying.run)
        reader = reading.enter_context(flight.reader())
        self._own.add(reader)
        self._readers.update(dict.fromkeys(keys, reader))

    async def _answer(self, reading: ExitStack) -> None:
        """Puts the answers in the order of the items, as far as they are known each time."""
        lookup = self._lookup
        known: list[Output] = []
        for position, key in enumerate(lookup.keys):
            if key not in self._found:
                await self._put(known)
                known = []
                await self._find_out(key, reading)
            known.append(lookup.task.answer_at(answer_of(lookup.task, self._found[key]), position))
            if len(known) == MAX_REQUEST_ITEMS:
                await self._put(known)
                known = []
                await asyncio.sleep(0)  # a call of thousands of items lets others have their turn
        await self._put(known)

    async def _put(self, answers: Sequence[Output]) -> None:
        if answers:
            await self._lookup.call.output.put(self._lookup.task.join(answers))

    async def _find_out(self, key: bytes, reading: ExitStack) -> None:
        """Waits for the answer to an item, or runs it where another call has failed to."""
        while key not in self._found:
            reader = self._readers[key]
            try:
                landed = await reader.next()
            except FlightError as failed:
                if reader in self._own:
                    raise failed.error from None
                self._run_after_all(reader, reading)
                continue
            assert landed is not None, "a flight that ends well has found out everything"
            self._found.update(landed)

    def _run_after_all(self, failed: Reader[Landed], reading: ExitStack) -> None:
        """Runs by itself what a flight of another call's was to find out."""
        keys = [key for key, reader in self._readers.items() if reader is failed and key not in self._found]
        self._lookup.run_after_all(len(keys))
        self._fly(keys, reading, others_may_join=False)


class _Flying:
    """Runs some items of a call; a sink, which keeps the answer to each and gives it to the flight.

    Args:
        lookup: of the call.
        keys: of the items.
        positions: of the items in the call.
    """

    def __init__(self, lookup: Lookup, keys: Sequence[bytes], positions: Sequence[int]) -> None:
        self._lookup = lookup
        self._keys = keys
        self._positions = positions
        self._count = 0
        self._flight: Flight[Landed] | None = None

    async def run(self, flight: Flight[Landed]) -> None:
        """Runs the items to the last."""
        self._flight = flight
        lookup, call = self._lookup, self._lookup.call
        is_whole = len(self._keys) == len(lookup.keys)
        task_input = call.input if is_whole else lookup.task.pick(call.input, self._positions)
        try:
            await lookup.run(task_input, self)
        except PanopeError as error:
            if is_whole:
                raise
            raise error.renamed(lambda path: lookup.task.path_at(path, self._positions)) from None
        if self._count < len(self._keys):
            raise InternalError(f"the model answered {self._count:,} of {len(self._keys):,} items")

    async def put(self, part: Output) -> None:
        """Takes the answers to the next items."""
        lookup, flight = self._lookup, self._flight
        assert flight is not None, "it runs"
        answers = lookup.task.answers(part, self._count)
        keys = self._keys[self._count : self._count + len(answers)]
        landed = {key: lookup.kept.packed(answer) for key, answer in zip(keys, answers, strict=True)}
        self._count += len(answers)
        await lookup.keep(landed)
        await flight.put(landed)
