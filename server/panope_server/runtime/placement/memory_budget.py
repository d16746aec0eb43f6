"""How much memory models may take on each device: who has it, and who makes room for one more.

A load reserves its memory before it begins, so that two at once never count on the same. Where there is too little, the
models that were used least recently end first; never one that answers a call, that is being loaded, or that is to be
kept. What has begun to end holds its memory until it is gone: a reservation that needs it waits for that alone.

Two counts, and the smaller one holds: what models may take there, less what is reserved; and for the machine's own
memory what the system says is free, less what models that are being loaded will take. The first sees weights that lie
in mapped files, which the system counts as free, the second sees other programs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from panope_backends.api import Device
from panope_backends.errors import CapacityError, PreconditionError
from panope_backends.host.memory import free_memory_bytes
from panope_server.runtime.hardware.memory import HOST, place_of
from panope_server.runtime.placement.reservation import Reservation, Tenant

#: When a caller comes back where nobody knows how long the others take.
RETRY_SECONDS = 1.0

_log = structlog.get_logger("panope.models")


@dataclass(frozen=True)
class PlaceUsage:
    """What is taken in one place.

    Attributes:
        place: `host` for the machine's own memory, else the device's name.
        limit_bytes: that models may take there; None when nobody knows.
        reserved_bytes: that they have, or wait for.
    """

    place: str
    limit_bytes: int | None
    reserved_bytes: int


class MemoryBudget:
    """Reserves memory for models, and has others end for it. For one event loop.

    Args:
        tenant_of: what runs under a key; None for nothing.
        max_bytes: that models may take in each place; 0 for what there is.
        max_models: how many may be loaded at once; 0 for any number.
        system_free_bytes: what is free of the machine's own memory.
    """

    def __init__(
        self,
        tenant_of: Callable[[str], Tenant | None] = lambda _: None,
        *,
        max_bytes: int = 0,
        max_models: int = 0,
        system_free_bytes: Callable[[], int] = free_memory_bytes,
    ) -> None:
        self._tenant_of = tenant_of
        self._max_bytes = max_bytes
        self.max_models = max_models
        self._system_free_bytes = system_free_bytes
        self._reservations: list[Reservation] = []
        self._device_bytes: dict[str, int] = {}  # place -> what there is, as its device told
        self._names: dict[str, str] = {}  # place -> what the device that was seen there first is called

    def reserve(self, model: str, device: Device, size_bytes: int, least_bytes: int = 0, host: str = "") -> Reservation:
        """Reserves memory for a load; who must make room for it begins to end at once.

        Args:
            model: the key of what is loaded.
            device: where.
            size_bytes: that it takes, as far as is known.
            least_bytes: of it, that it may take however little is measured at first.
            host: a model in whose process it will be, and which so makes no room for it.

        Raises:
            CapacityError: others have the memory and cannot go now; it tells why.
            PreconditionError: there is not so much (`insufficient_memory`).
        """
        self._see(device)
        wanted = Reservation(self, model, place_of(device), size_bytes, least_bytes, host, device.name)
        limit = self._limit(wanted.place)
        if limit is not None and size_bytes > limit:
            raise PreconditionError(
                f"model `{model}` needs {size_text(size_bytes)} of memory; models may take {size_text(limit)} there",
                reason="insufficient_memory",
            )
        victims = self._victims(wanted)
        if victims is None:
            raise self.refusal(model, wanted.place, f"needs {size_text(size_bytes)} of memory")
        reason = self._why(wanted)
        self._reservations.append(wanted)
        self._evict(victims, reason)
        self.settle()
        return wanted

    def release(self, reservation: Reservation) -> None:
        """Gives memory back; nothing happens when it was given back already."""
        if reservation in self._reservations:
            self._reservations.remove(reservation)
            self.settle()

    def settle(self) -> None:
        """Sees to it that what is reserved is not too much, and grants what is free by now."""
        for place in {each.place for each in self._reservations}:
            while self._excess(place) > 0 and (victim := self._of_use(place)) is not None:
                self._evict([victim], "memory")
            for waiting in [each for each in reversed(self._waiting()) if each.place == place]:
                if self._excess(place) > 0:  # others take more than they were said to
                    self._reservations.remove(waiting)
                    waiting.decide(self.refusal(waiting.model, place, "gets no memory"))
        for waiting in self._waiting():
            if self._is_free(waiting):
                waiting.decide()

    def free_bytes(self, device: Device) -> int | None:
        """What one more model can have, when all go that can go now; None when nobody knows."""
        self._see(device)
        place = place_of(device)
        limit, going = self._limit(place), self._bytes(self._evictable(place), place)
        counts = [limit - self._staying_bytes(place) + going] if limit is not None else []
        if place == HOST:
            counts.append(self._system_free() + going)
        return max(0, min(counts)) if counts else None

    def limit_bytes(self, device: Device) -> int | None:
        """What all models together may have there; None when nobody knows."""
        self._see(device)
        return self._limit(place_of(device))

    def refusal(self, model: str, place: str, what: str) -> CapacityError:
        """Returns what a load is told that gets no memory: who has it, and when to come back."""
        holders, retry = self.holders(model, place)
        return CapacityError(
            f"model `{model}` {what}, and none is free now{holders}",
            reason="insufficient_memory",
            retry_after_seconds=retry,
        )

    def holders(self, model: str, place: str | None = None) -> tuple[str, float | None]:
        """Returns who else has memory, as the end of a sentence, and when to come back; None for never by itself.

        Models are counted and not named, since a caller may not see them all; the log has their names.
        """
        those = [each for each in self._reservations if place in (None, each.place) or self.max_models]
        names = sorted({each.model for each in those if each.model != model})
        if not names:
            return "", RETRY_SECONDS
        occupations = Counter(self._occupation(name) for name in names)
        told = ", ".join(f"{count} {occupation}" for occupation, count in sorted(occupations.items()))
        size_bytes = sum(each.size_bytes for each in those if each.model != model)
        _log.warning("load_without_room", model=model, holders=names, size_bytes=size_bytes)
        tenants = [self._tenant_of(name) for name in names]
        is_hopeless = all(tenant is not None and tenant.is_pinned for tenant in tenants)
        models = "another model has" if len(names) == 1 else f"{len(names)} others have"
        return f"; {models} {size_text(size_bytes)}: {told}", None if is_hopeless else RETRY_SECONDS

    def usage(self) -> Sequence[PlaceUsage]:
        """Returns what is taken, by place."""
        return [PlaceUsage(name, self._limit(place), self._reserved_bytes(place)) for name, place in self._titles()]

    def loaded_models(self) -> int:
        """How many models have memory."""
        return len({each.model for each in self._reservations if each.is_granted})

    def of(self, model: str) -> int:
        """What a model takes."""
        return sum(each.size_bytes for each in self._reservations if each.model == model and each.is_granted)

    # What is taken.

    def _titles(self) -> Sequence[tuple[str, str]]:
        """A name for people for each place, no two alike: its device's, with the place where several have that."""
        alike = Counter(self._names.values())
        named = ((name, place, alike[name] > 1 and name != place) for place, name in self._names.items())
        return sorted((f"{name} {place}" if is_shared else name, place) for name, place, is_shared in named)

    def _see(self, device: Device) -> None:
        place = place_of(device)
        self._names.setdefault(place, HOST if place == HOST else device.name)
        self._device_bytes[place] = max(device.memory_bytes, self._device_bytes.get(place, 0))

    def _limit(self, place: str) -> int | None:
        limits = [size for size in (self._device_bytes.get(place, 0), self._max_bytes) if size]
        return min(limits) if limits else None

    def _reserved_bytes(self, place: str) -> int:
        return sum(each.size_bytes for each in self._reservations if each.place == place)

    def _staying_bytes(self, place: str) -> int:
        return sum(each.size_bytes for each in self._reservations if each.place == place and not each.is_leaving)

    def _bytes(self, models: Iterable[str], place: str) -> int:
        """What models have there with all that ends with them; what has begun to end is not counted again."""
        going = self._with_guests(models)
        staying = (each for each in self._reservations if each.model in going and not each.is_leaving)
        return sum(each.size_bytes for each in staying if each.place == place)

    def _with_guests(self, models: Iterable[str]) -> set[str]:
        named = set(models)
        tenants = [tenant for model in named if (tenant := self._tenant_of(model)) is not None]
        return named.union(*(tenant.guests for tenant in tenants))

    def _excess(self, place: str) -> int:
        """How much more is to stay than may."""
        limit = self._limit(place)
        return 0 if limit is None else self._staying_bytes(place) - limit

    def _system_free(self) -> int:
        """What will be free of the machine's own memory, once what loads has loaded and what ends is gone."""
        there = [each for each in self._reservations if each.place == HOST]
        loading = sum(each.size_bytes for each in there if each.is_loading and not each.is_leaving)
        leaving = sum(each.size_bytes for each in there if each.is_leaving and not each.is_loading)
        return self._system_free_bytes() - loading + leaving

    def _waiting(self) -> list[Reservation]:
        return [each for each in self._reservations if not each.is_granted]

    def _is_free(self, waiting: Reservation) -> bool:
        """Whether the memory is free that a reservation waits for: what has begun to end holds its own."""
        granted = [each for each in self._reservations if each.is_granted]
        there = [each for each in granted if each.place == waiting.place]
        limit = self._limit(waiting.place)
        held = sum(each.size_bytes for each in there)
        models = {each.model for each in granted} | {waiting.model}
        return (
            (limit is None or held + waiting.size_bytes <= limit)
            and self._may_be_loaded(len(models))
            and not (any(each.is_leaving for each in there) and self._lacks_system_memory(waiting, there))
        )

    def _lacks_system_memory(self, waiting: Reservation, granted: Sequence[Reservation]) -> bool:
        """Whether the system has too little for it as long as what ends is there."""
        if waiting.place != HOST or not waiting.size_bytes:
            return False
        loading = sum(each.size_bytes for each in granted if each.is_loading and not each.is_leaving)
        return waiting.size_bytes > self._system_free_bytes() - loading

    def _may_be_loaded(self, models: int) -> bool:
        return not self.max_models or models <= self.max_models

    # Who goes.

    def _victims(self, wanted: Reservation) -> list[str] | None:
        """The models that make room, those used least recently first; None when all that can go are too few."""
        victims: list[str] = []
        candidates = self._evictable(wanted.place)
        while self._too_many(wanted, victims) or self._missing_bytes(wanted, victims) > 0:
            victim = next(candidates, None)
            if victim is None:
                return None
            if victim not in {wanted.model, wanted.host, *self._with_guests(victims)} and (
                self._too_many(wanted, victims) or self._bytes([victim], wanted.place)
            ):
                victims.append(victim)
        return victims

    def _evictable(self, place: str) -> Iterator[str]:
        """The models that can go, those used least recently first; those without memory in the place for the count."""
        models = {each.model for each in self._reservations if each.is_granted and not each.is_leaving}
        models -= {each.host for each in self._reservations if each.is_loading}  # else it goes under what it is to run
        if not self.max_models:
            models = {model for model in models if self._bytes([model], place)}
        tenants = ((self._tenant_of(model), model) for model in models)
        able = [(tenant.last_used, model) for tenant, model in tenants if tenant is not None and tenant.may_be_evicted]
        return (model for _, model in sorted(able))

    def _of_use(self, place: str) -> str | None:
        """The model that can go and has memory in a place, of several the one used least recently."""
        return next((model for model in self._evictable(place) if self._bytes([model], place)), None)

    def _missing_bytes(self, wanted: Reservation, victims: Sequence[str]) -> int:
        """What a reservation lacks once those have gone."""
        limit = self._limit(wanted.place)
        missing = [0 if limit is None else self._staying_bytes(wanted.place) + wanted.size_bytes - limit]
        if wanted.place == HOST and wanted.size_bytes:
            missing.append(wanted.size_bytes - self._system_free())
        return max(missing) - self._bytes(victims, wanted.place)

    def _too_many(self, wanted: Reservation, victims: Sequence[str]) -> bool:
        """Whether it would be one model too many."""
        staying = {each.model for each in self._reservations if not each.is_leaving} - self._with_guests(victims)
        return not self._may_be_loaded(len(staying | {wanted.model}))

    def _why(self, wanted: Reservation) -> str:
        return "max_loaded_models" if self._too_many(wanted, ()) else "memory"

    def _evict(self, models: Sequence[str], reason: str) -> None:
        """Has models end, each once.

        All are known to leave before the first is told: one that begins to end has the budget settled, which would
        find that there is still too little, and end the next a second time, or another.
        """
        going = self._with_guests(models)
        for each in self._reservations:
            each.is_leaving = each.is_leaving or each.model in going
        for model in models:
            tenant = self._tenant_of(model)
            assert tenant is not None, "only what runs can be evicted"
            tenant.evict(reason)

    def _occupation(self, model: str) -> str:
        those = [each for each in self._reservations if each.model == model]
        if any(each.is_leaving for each in those):
            return "being unloaded"
        if any(not each.is_granted for each in those):
            return "waiting for memory"
        tenant = self._tenant_of(model)
        return (tenant.occupation if tenant is not None else "") or "idle"


def size_text(size: int) -> str:
    """A size for people."""
    return f"{size / 1e9:,.2f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
