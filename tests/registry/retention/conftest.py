"""A store with models in it, and a clock that stands until the test moves it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from panope_registry.registry import Registry, VariantEntry
from panope_registry.retention.retention import RetentionManager
from panope_registry.retention.types import Quota
from panope_registry.session import RegistrySession
from panope_registry.store.store import Store
from panope_registry.tables.columns import now
from panope_registry.tables.database import Database
from panope_registry.tables.job_tables import job
from panope_registry.tables.model_tables import repo


class Clock:
    def __init__(self) -> None:
        self.moment = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pass_time(clock: Clock) -> Callable[..., None]:
    """Moves the clock on by `seconds`, `days` and so on."""

    def move(**time: float) -> None:
        clock.moment += timedelta(**time)

    return move


@pytest.fixture
def store(session: RegistrySession) -> Store:
    return session.store


@pytest.fixture
def database(session: RegistrySession) -> Database:
    return session.database


@pytest.fixture
def make_retention(database: Database, store: Store, clock: Clock) -> Callable[..., RetentionManager]:
    """A manager with a quota of `max_bytes`; without one when it is None."""

    def make(max_bytes: int | None = None, low_water: float = 1.0) -> RetentionManager:
        quota = Quota(max_bytes, free_floor_bytes=0, low_water=low_water)
        return RetentionManager(database, store, quota=quota, clock=clock)

    return make


@pytest.fixture
def retention(make_retention: Callable[..., RetentionManager]) -> RetentionManager:
    return make_retention()


@pytest.fixture
def add_model(registry: Registry, database: Database, make_model: Callable[..., Path]) -> Callable[..., VariantEntry]:
    """Brings a model into the store; equal `fill` means equal weights. Unless `from_hub` is off, a hub lists it."""

    def add(name: str, fill: int, *, from_hub: bool = True) -> VariantEntry:
        (variant,) = registry.import_folder(make_model(f"folder{fill}", fill=fill), name).variants
        if from_hub:
            with database.change() as connection:
                connection.execute(update(repo).where(repo.c.name == name).values(source="hub"))
        return variant

    return add


@pytest.fixture
def weights_of(store: Store) -> Callable[[VariantEntry], Path]:
    """Where the weights of a variant are in the store."""

    def path(variant: VariantEntry) -> Path:
        (found,) = [file for file in variant.files if file.path == "model.safetensors"]
        return store.blob_path(found.sha256)

    return path


@pytest.fixture
def enqueue(database: Database) -> Callable[..., None]:
    """Puts a job with a payload into the queue."""

    def put(payload: dict[str, object], *, status: str = "queued") -> None:
        texts = ("dedupe_key", "requested_by", "progress_phase", "progress_unit", "lease_owner", "error_reason")
        numbers = ("priority", "progress_done", "progress_total", "attempt", "max_attempts", "lease_token")
        values = dict.fromkeys([*texts, "error_message"], "") | dict.fromkeys(numbers, 0)
        more = {"kind": "k", "status": status, "payload": payload, "result": {}, "retryable": False}
        moments = {"run_at": now(), "created_at": now(), "lease_until": now() if status == "running" else None}
        with database.write() as connection:
            connection.execute(insert(job).values(values | more | moments))

    return put
