"""The planner of loads, for commands that ask how a model would run, with no server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from panope_registry.session import RegistrySession
from panope_server.config import Settings
from panope_server.runtime.placement.hardware import Hardware
from panope_server.runtime.placement.load_planner import LoadPlanner
from panope_server.runtime.placement.memory import DeviceMemory
from panope_server.runtime.registry_calls.leases import ModelLeases


@asynccontextmanager
async def load_planner(settings: Settings, session: RegistrySession) -> AsyncIterator[LoadPlanner]:
    """Plans loads on this machine's hardware; the files that it opens are leased until the block ends."""
    leases = ModelLeases(session.retention)
    hardware = Hardware.for_settings(settings)
    try:
        yield LoadPlanner(settings, session.registry, hardware, session.profiles, DeviceMemory(), leases)
    finally:
        await leases.close()
