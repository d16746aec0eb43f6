"""From a model's name to a plan that a worker can load: choose, convert once, lay the verified files out."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import structlog

from panope_backends.api import ModelFacts
from panope_backends.errors import AvailabilityError, DataLossError, PanopeError, PreconditionError
from panope_registry.inspect.grants import PICKLES, REMOTE_CODE
from panope_registry.operations.profiles import Profile, Profiles
from panope_registry.registry import ModelEntry, Registry, VariantEntry
from panope_server.config import Settings
from panope_server.config.grants import grants_for
from panope_server.runtime.names import Target
from panope_server.runtime.placement.constraints import ANYTHING, Wish
from panope_server.runtime.placement.hardware import Hardware
from panope_server.runtime.placement.memory import DeviceMemory, conversion_limit, worker_limit
from panope_server.runtime.placement.plan import FailedPlan, LoadPlan
from panope_server.runtime.placement.ranking import Candidate
from panope_server.runtime.placement.selection import Choice, Machine, choose
from panope_server.runtime.processes.programs import run_program
from panope_server.runtime.registry_calls.leases import ModelLeases
from panope_server.runtime.registry_calls.threads import ask, ask_for_files

_log = structlog.get_logger("panope.models")

Bring = Callable[[ModelEntry, VariantEntry], Awaitable[None]]

CONVERT = "panope_backends.programs.convert"
CONVERT_TIMEOUT_SECONDS = 1800.0


class Preparer:
    """Makes plans.

    Args:
        profiles: what was measured.
        memory: what is free on each device; what is about to be loaded is taken from it.
        leases: taken on the files of what is about to be loaded; None when nothing will be, as for `panope doctor`.
        bring: downloads a variant that another machine made; None where that cannot be.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        hardware: Hardware,
        profiles: Profiles,
        memory: DeviceMemory,
        leases: ModelLeases | None = None,
        bring: Bring | None = None,
    ) -> None:
        self._leases = leases
        self._bring = bring
        self._profiles = profiles
        self._memory = memory
        self._grants = grants_for(settings)
        self._settings = settings
        self._registry = registry
        self._hardware = hardware
        # One conversion at a time: each takes the memory of a whole model, and two of the same would waste one.
        self._converting = asyncio.Lock()

    async def plan(self, target: Target, wish: Wish = ANYTHING, failed: Sequence[FailedPlan] = ()) -> LoadPlan:
        """Chooses the best way that works; a way whose conversion or load fails gives place to the next.

        Args:
            target: what is to run.
            wish: of the one who loads it; the target's variant comes before the wish's.
            failed: what was planned for this load, and could not be loaded.

        Raises:
            PanopeError: there is none; where several were tried, it tells why each is none.
        """
        entry = await ask(self._registry.model, target.model)
        choice = await self.choose(entry, replace(wish, variant=target.variant or wish.variant))
        tried = {each.plan.way for each in failed}
        errors = [(each.plan.backend, each.error) for each in failed]
        for way, reason in zip(choice.ways, choice.reasons, strict=True):
            self._memory.take(target.key, way.device, way.need_bytes)
            told = "; ".join([reason, *(f"{backend} failed: {error.message}" for backend, error in errors)])
            try:
                plan = await self.prepare(entry, way, target.key, told)
            except DataLossError:
                raise
            except PanopeError as error:
                _log.warning("way_failed", model=target.key, backend=way.device.backend, error=error.message)
                errors.append((way.device.backend, error))
            else:
                if plan.way not in tried:
                    return plan
        raise _none_works(errors)

    async def choose(self, entry: ModelEntry, wish: Wish = ANYTHING) -> Choice:
        """Every way to run a model, best first; `selection.choose` tells of the errors."""
        settings = self._settings
        wish = replace(wish, backend=wish.backend or settings.backend, precision=wish.precision or settings.precision)
        machine = Machine(await self._hardware.probe(), self._hardware.supports, self._memory.free_bytes)
        profiles = await self._measured(entry)
        return await choose(entry, partial(self._facts, entry), machine, wish, profiles, settings.workers.instances)

    async def worth_bringing(self, entry: ModelEntry, wish: Wish) -> str:
        """The digest of the one variant to download, where nothing is here; empty leaves it to what pulls prefer.

        Of what another server has made and shares, the best to run here comes instead of what it was made of.
        """
        shared = [variant for variant in entry.variants if variant.derived_from is not None and variant.can_come]
        if wish.variant or not shared or any(variant.is_here for variant in entry.variants):
            return wish.variant
        obtainable = tuple(variant for variant in entry.variants if variant.can_come)
        try:
            best = (await self.choose(replace(entry, variants=obtainable), wish)).ways[0]
        except PanopeError:  # loading tells it
            return ""
        return best.variant.digest if best.conversion is None and best.variant in shared else ""

    async def _measured(self, entry: ModelEntry) -> Sequence[Profile]:
        """What was measured of the model; nothing while the database is away, which stops no loading."""
        try:
            return await ask(self._profiles.of_variants, [each.digest for each in entry.variants])
        except AvailabilityError:
            return ()

    async def prepare(self, entry: ModelEntry, way: Candidate, key: str, reason: str) -> LoadPlan:
        """Makes one way ready to be loaded: converts once, lays the verified files out.

        Args:
            entry: of the model.
            way: one of `choose`.
            key: under which it will run, and its files are kept in the store.
            reason: why this way, for people.

        Raises:
            PanopeError: it cannot be.
        """
        self._tell_grants(entry, way.variant)
        variant = way.variant if way.conversion is None else await self._converted(entry, way)
        folder = await self._held_folder(key, variant.digest)
        cache = self._settings.home_path / "cache" / way.device.backend.replace(":", "-")
        await asyncio.to_thread(cache.mkdir, 0o700, True, True)
        return LoadPlan(
            model=key,
            task=entry.task,
            variant_digest=variant.digest,
            format=variant.format,
            backend=way.device.backend,
            device=way.device.name,
            precision=way.precision,
            weights_precision=variant.precision,
            folder=folder,
            cache_folder=cache,
            reason=reason,
            grants=self._grants.of(entry.name),
            memory_limit_bytes=worker_limit(
                way.need_bytes // self._settings.workers.instances,
                self._settings.workers.memory_bytes,
                on_host=DeviceMemory.is_host(way.device),
            ),
        )

    def _facts(self, entry: ModelEntry, variant: VariantEntry) -> ModelFacts:
        grants = self._grants.of(entry.name)
        return ModelFacts(entry.name, variant.format, entry.task, entry.architecture, entry.config, grants)

    def _tell_grants(self, entry: ModelEntry, variant: VariantEntry) -> None:
        """The admins' record of what a model does by their leave."""
        code = any(file.path.endswith(".py") for file in variant.files)
        used = {PICKLES: variant.format == "pytorch", REMOTE_CODE: code and variant.derived_from is None}
        for grant in self._grants.of(entry.name):
            if used[grant]:
                _log.info("grant_used", model=entry.name, setting=f"grants.{grant}", variant=variant.digest)

    async def _held_folder(self, key: str, digest: str) -> Path:
        """The variant's verified files, with a lease on them so that they stay."""
        if self._leases is not None:
            try:
                await self._leases.hold(key, digest)
            except PreconditionError:
                # A file is not here: laying out says which, and whether it can be had again.
                await ask_for_files(self._registry.materialize, digest)
                await self._leases.hold(key, digest)
        return await ask_for_files(self._registry.materialize, digest)

    async def _converted(self, entry: ModelEntry, way: Candidate) -> VariantEntry:
        made = way.conversion
        assert made is not None
        async with self._converting:
            identity = {"format": made.format, "precision": made.precision, "engine_version": made.engine_version}
            known = await ask(lambda: self._registry.converted(way.variant.digest, **identity))
            if known is not None and not known.is_here:
                known = await self._brought(entry, known)
            return known or await self._convert(entry, way, identity)

    async def _brought(self, entry: ModelEntry, made: VariantEntry) -> VariantEntry | None:
        """What another machine has made, once it is here; None when it cannot be had and is to be made again."""
        if self._bring is None or not made.can_come:
            return None
        try:
            await self._bring(entry, made)
        except PanopeError as error:
            _log.warning("conversion_not_brought", model=entry.name, variant=made.digest, error=error.message)
            return None
        return made

    async def _convert(self, entry: ModelEntry, way: Candidate, identity: dict[str, str]) -> VariantEntry:
        _log.info("convert_start", model=entry.name, backend=way.device.backend, format=identity["format"])
        source = await ask_for_files(self._registry.materialize, way.variant.digest)
        scratch = self._settings.home_path / "scratch"
        await asyncio.to_thread(scratch.mkdir, 0o700, True, True)
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            document = {
                "backend": way.device.backend,
                "format": identity["format"],
                "precision": identity["precision"],
                "model": _document(self._facts(entry, way.variant)),
                "folder": str(source),
                "out": folder,
            }
            await run_program(
                CONVERT,
                document=document,
                timeout_seconds=CONVERT_TIMEOUT_SECONDS,
                python=self._settings.workers.python,
                memory_bytes=conversion_limit(way.variant.size_bytes),
            )
            variant = await ask_for_files(
                lambda: self._registry.add_converted(
                    way.variant.digest, Path(folder), backend=way.device.backend, **identity
                )
            )
        _log.info("convert_finish", model=entry.name, variant=variant.digest, size_bytes=variant.size_bytes)
        return variant


def _none_works(errors: Sequence[tuple[str, PanopeError]]) -> PanopeError:
    """The error of ways that all failed: the one that they failed with, or the best way's with those of the others."""
    _, first = errors[0]
    messages = dict.fromkeys(error.message for _, error in errors)
    if len(messages) == 1:
        return first
    message = "; ".join(f"{backend}: {error.message}" for backend, error in errors)
    return type(first)(f"no way to run the model works: {message}", reason=first.reason, field=first.field)


def _document(facts: ModelFacts) -> dict[str, object]:
    return asdict(facts) | {"config": dict(facts.config)}
