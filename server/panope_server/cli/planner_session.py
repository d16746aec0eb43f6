"""What commands need that look for ways to run models themselves, with no server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from panope_registry.operations.profiles import Profiles
from panope_registry.registry import Registry
from panope_registry.store.store import Store
from panope_registry.tables.database import Database, open_engine
from panope_server.app.registry_session import open_registry, retention_for
from panope_server.config import Settings
from panope_server.runtime.placement.hardware import Hardware
from panope_server.runtime.placement.load_planner import LoadPlanner
from panope_server.runtime.placement.memory import DeviceMemory
from panope_server.runtime.registry_calls.leases import ModelLeases


@dataclass(frozen=True)
class Prepared:
    """The registry of a home, and who makes its models ready."""

    registry: Registry
    planner: LoadPlanner
    profiles: Profiles


@asynccontextmanager
async def prepared(settings: Settings) -> AsyncIterator[Prepared]:
    """Opens both for the block.

    Raises:
        PanopeError: as `Registry.open`.
    """
    registry = await asyncio.to_thread(open_registry, settings)
    database = Database(open_engine(settings.database))
    store = await asyncio.to_thread(Store, settings.home_path / "store")
    leases = ModelLeases(retention_for(settings, database, store))
    profiles = Profiles(database)
    hardware = Hardware.for_settings(settings)
    try:
        yield Prepared(registry, LoadPlanner(settings, registry, hardware, profiles, DeviceMemory(), leases), profiles)
    finally:
        await leases.close()
        database.close()
        registry.close()
