"""Managers of models, for the tests of what they know, load and run."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from panope_registry.session import RegistrySession
from panope_server.config import Settings, Workers
from panope_server.config.sections.models import ModelsSettings
from panope_server.observability.metrics import Metrics
from panope_server.runtime.async_registry.jobs import AsyncJobs
from panope_server.runtime.async_registry.leases import ModelLeases
from panope_server.runtime.models import manager as module
from panope_server.runtime.models.manager import ModelDependencies, ModelEvents, ModelManager

sys.path.append(str(Path(__file__).parent))

from manager_doubles import Machine, MakeRig, Rig


@pytest.fixture
async def managers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MakeRig]:
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.02)
    session = RegistrySession.open(tmp_path / "registry.sqlite3", tmp_path)
    made: list[Rig] = []

    def make(*load: str, high_priority_instances: int = 0, **models: Any) -> Rig:
        settings = Settings(
            home=str(tmp_path),
            load=load,
            workers=Workers(drain_timeout_seconds=5.0, high_priority_instances=high_priority_instances),
            models=ModelsSettings(**models),
        )
        dependencies = ModelDependencies(
            settings,
            Metrics(),
            Machine(),  # type: ignore[arg-type] # asks no backend
            session.registry,
            session.aliases,
            AsyncJobs(session.jobs),
            session.profiles,
            ModelLeases(session.retention),
            session.store.id,
        )
        events = ModelEvents(
            lambda model, state: made[0].states.append((model, state)),
            lambda aliases: made[0].told.append(dict(aliases)),
        )
        manager = ModelManager(dependencies, events)
        made.append(Rig(manager, session.registry, session.aliases, tmp_path / "model"))
        return made[0]

    yield make
    for each in made:
        await each.manager.close()
    session.close()
