"""Answers that are kept whole, such as generated ones; parts of a stream reach every caller as they come."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from panope_server.pipeline.cache.flights import Flight, FlightError, Reader
from panope_server.pipeline.cache.kept import answer_of
from panope_server.pipeline.cache.lookup import Lookup, copy_of
from panope_server.tasks.task import Output


class WholeAnswer:
    """Answers one call of a task whose answers are whole."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._call = lookup.call
        (self._key,) = lookup.keys
        # A caller that wants parts is not made to wait for a run that gives none before its end.
        self._flight_key = self._key + bytes([bool(getattr(self._call.input, "stream", False))])

    async def run(self) -> None:
        """Answers the call."""
        lookup = self._lookup
        found = (await lookup.find([self._key])).get(self._key)
        if found is not None:
            lookup.tell([found], run=0, joined=0)
            await self._call.output.put(answer_of(lookup.task, found))
            return
        flight = lookup.flight_of(self._flight_key)
        lookup.tell([], run=int(flight is None), joined=int(flight is not None))
        if flight is None:
            await self._lead(lookup.flights.start([self._flight_key], self._fly, self._call.priority))
        elif not await self._is_answered_by(flight):
            lookup.run_after_all(1)
            await self._lead(Flight(self._fly))

    async def _lead(self, flight: Flight[Output]) -> None:
        """Passes on what this call itself runs."""
        with flight.reader() as reader:
            try:
                await self._pass_on(reader)
            except FlightError as failed:
                raise failed.error from None

    async def _is_answered_by(self, flight: Flight[Output]) -> bool:
        """Passes on what another call runs; False when that failed before there was anything of it."""
        with flight.reader() as reader:
            try:
                await self._pass_on(reader)
            except FlightError as failed:
                if reader.position:
                    raise copy_of(failed.error) from None
                return False
        return True

    async def _pass_on(self, reader: Reader[Output]) -> None:
        while (part := await reader.next()) is not None:
            await self._call.output.put(part)

    async def _fly(self, flight: Flight[Output]) -> None:
        """Runs the call and keeps its answer."""
        lookup, parts = self._lookup, _Parts(flight)
        await lookup.run(self._call.input, parts)
        whole: Any = parts.all[0] if len(parts.all) == 1 else lookup.task.join(parts.all)
        await lookup.keep({self._key: lookup.kept.packed(whole)})


class _Parts:
    """A sink that keeps the parts of an answer and gives them to a flight."""

    def __init__(self, flight: Flight[Output]) -> None:
        self._flight = flight
        self.all: list[Output] = []

    def put(self, part: Output) -> Awaitable[None]:
        """Takes the next part."""
        self.all.append(part)
        return self._flight.put(part)
