"""The adapters that run in one worker, beside the model that the worker was started for."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection, Iterator
from typing import Protocol

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InternalError
from panope_server.runtime.instances.in_flight import Tenant
from panope_server.runtime.instances.worker.frames import adapter_frame, error_of
from panope_server.runtime.placement.plan import LoadPlan
from panope_server.runtime.status import InstanceState


class Guest(Tenant, Protocol):
    """An adapter that runs, or is to run, in a worker."""

    @property
    def plan(self) -> LoadPlan:
        """What it runs."""

    @property
    def number(self) -> int:
        """By which the worker knows it; no other guest has it, not even one of the same model."""

    def host_changed(self, state: InstanceState) -> None:
        """The worker does not answer, or answers again."""

    def host_lost(self, suspects: Collection[bytes]) -> None:
        """The worker is gone, and perhaps died of a request of these fingerprints."""


class Guests:
    """Those of one worker.

    Args:
        send: sends the worker a frame.
    """

    def __init__(self, send: Callable[[wire.ServerFrame], None]) -> None:
        self._send = send
        self._guests: dict[int, Guest] = {}
        self._loading: dict[int, asyncio.Future[wire.Ready]] = {}
        self._turns = itertools.count()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._guests)

    async def load(self, guest: Guest) -> wire.Ready:
        """Takes an adapter in and has the worker load it.

        Raises:
            PanopeError: why it runs nowhere, or not here.
        """
        number = guest.number
        self._guests[number] = guest
        loading: asyncio.Future[wire.Ready] = asyncio.get_running_loop().create_future()
        self._loading[number] = loading
        self._send(adapter_frame(guest.plan, number))
        try:
            return await loading
        finally:
            del self._loading[number]

    def loaded(self, told: wire.AdapterLoaded) -> None:
        """The worker has loaded an adapter, or could not."""
        loading = self._loading.get(told.model_number)
        if loading is None or loading.done():
            return  # nobody waits for it any more
        if told.HasField("failure"):
            loading.set_exception(error_of(told.failure))
        else:
            loading.set_result(told.ready)

    def remove(self, guest: Guest) -> bool:
        """Has the worker forget an adapter; False when it is not here."""
        number = guest.number
        if self._guests.get(number) is not guest:
            return False
        del self._guests[number]
        self._send(wire.ServerFrame(unload_adapter=wire.UnloadAdapter(model_number=number)))
        return True

    def in_turn(self, owner: Tenant) -> Iterator[Tenant]:
        """The worker's own model and all adapters, each time another one first."""
        tenants = [owner, *self._guests.values()]
        first = next(self._turns) % len(tenants)
        yield from tenants[first:]
        yield from tenants[:first]

    def changed(self, state: InstanceState) -> None:
        """The worker does not answer, or answers again."""
        for guest in list(self._guests.values()):
            guest.host_changed(state)

    def lost(self, suspects: Collection[bytes]) -> None:
        """The worker is gone."""
        for loading in self._loading.values():
            if not loading.done():
                loading.set_exception(InternalError("the worker ended while it loaded the adapter"))
        guests, self._guests = self._guests, {}
        for guest in guests.values():
            guest.host_lost(suspects)
