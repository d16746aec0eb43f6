"""Measurements: the newest of the same is kept, others stand beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from panope_registry.serving_records.profiles import Profile, Profiles
from panope_registry.tables.database import Database, open_engine

MOMENT = datetime(2026, 11, 21, 12, tzinfo=UTC)
MEASURED = Profile(
    variant_digest="a" * 64,
    backend="openvino",
    engine_version="2026.4.1",
    device="CPU A processor",
    precision="bf16",
    workload="embed-22-words-batch-32",
    items_per_second=910.5,
    latency_p50_seconds=0.035,
    latency_p99_seconds=0.041,
    memory_bytes=312_000_000,
    load_seconds=0.9,
    measured_at=MOMENT,
    details={"calls": 142},
)


@pytest.fixture
def profiles(database_url: str) -> Iterator[Profiles]:
    database = Database(open_engine(database_url))
    yield Profiles(database)
    database.close()


def test_a_measurement_comes_back_as_it_was(profiles: Profiles) -> None:
    profiles.record([MEASURED])
    assert profiles.of_variants([MEASURED.variant_digest, "b" * 64]) == [MEASURED]
    assert profiles.of_variants(["b" * 64]) == []


def test_the_same_measured_again_takes_the_place_of_the_former(profiles: Profiles) -> None:
    later = replace(MEASURED, items_per_second=1000.0, measured_at=MOMENT + timedelta(days=1))
    profiles.record([MEASURED])
    profiles.record([later])
    assert profiles.of_variants([MEASURED.variant_digest]) == [later]


@pytest.mark.parametrize(
    "other",
    [
        {"variant_digest": "b" * 64},
        {"backend": "cpu"},
        {"engine_version": "2027.1"},
        {"device": "CPU Another"},
        {"precision": "fp32"},
        {"workload": "embed-22-words-batch-1"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_differs_in_anything_stands_beside_it_the_newest_first(profiles: Profiles, other: dict[str, str]) -> None:
    different = replace(MEASURED, **other, measured_at=MOMENT + timedelta(seconds=1))  # type: ignore[arg-type] # texts
    profiles.record([different, MEASURED])
    assert profiles.of_variants(["a" * 64, "b" * 64]) == [different, MEASURED]
