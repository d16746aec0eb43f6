"""What variants were measured to do on backends and devices; the newest measurement of the same replaces the former."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select

from panope_registry.tables.database import Database
from panope_registry.tables.serving_tables import backend_profile


@dataclass(frozen=True)
class Profile:
    """One measurement.

    Attributes:
        variant_digest: what was run.
        backend: the backend's name.
        engine_version: of the libraries that computed; what they do may change with it.
        device: the device's full name, the same on like machines; of a processor its usable cores too.
        precision: that was computed in.
        workload: what was run, such as `embed-22-words-batch-32`.
        items_per_second: texts, for `embed`.
        latency_p50_seconds: of one call; half of them were quicker.
        latency_p99_seconds: of one call; one in a hundred was slower.
        memory_bytes: the most that its process took; 0 when unknown.
        load_seconds: from the start of the process to the first answer.
        measured_at: when.
        details: more numbers, for people.
    """

    variant_digest: str
    backend: str
    engine_version: str
    device: str
    precision: str
    workload: str
    items_per_second: float
    latency_p50_seconds: float
    latency_p99_seconds: float
    memory_bytes: int
    load_seconds: float
    measured_at: datetime
    details: Mapping[str, Any] = field(default_factory=dict)


_KEY = ("variant_digest", "backend", "engine_version", "device", "precision", "workload")


class Profiles:
    """Safe for use by several threads, processes and machines.

    Every method raises AvailabilityError when the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, profiles: Sequence[Profile]) -> None:
        """Keeps measurements, each in place of the former one of the same."""
        with self._database.write() as connection:
            # In one order, so that no two machines wait for each other.
            for values in sorted(map(_values, profiles), key=lambda values: [values[name] for name in _KEY]):
                connection.execute(delete(backend_profile).filter_by(**{name: values[name] for name in _KEY}))
                connection.execute(insert(backend_profile).values(values))

    def of_variants(self, digests: Sequence[str]) -> list[Profile]:
        """Returns the measurements of these variants, the newest first."""
        newest = backend_profile.c.measured_at.desc(), backend_profile.c.id.desc()
        wanted = select(backend_profile).where(backend_profile.c.variant_digest.in_(digests)).order_by(*newest)
        with self._database.read() as connection:
            return [_profile(row) for row in connection.execute(wanted)]


def _values(profile: Profile) -> dict[str, Any]:
    return {name: getattr(profile, name) for name in Profile.__dataclass_fields__} | {"details": dict(profile.details)}


def _profile(row: Row[Any]) -> Profile:
    return Profile(**{name: getattr(row, name) for name in Profile.__dataclass_fields__})
