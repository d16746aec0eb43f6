"""Hashing again what is in the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from panope_backends.errors import PreconditionError
from panope_registry.registry import VariantEntry
from panope_registry.retention.retention import RetentionManager
from panope_registry.tables.database import Database
from panope_registry.tables.model_tables import blob_location

AddModel = Callable[..., VariantEntry]
PassTime = Callable[..., None]
WeightsOf = Callable[[VariantEntry], Path]


def _flip_last_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def test_an_intact_store_is_found_intact(retention: RetentionManager, add_model: AddModel) -> None:
    add_model("v/a", 1)
    ticks: list[tuple[int, int]] = []
    verified = retention.verify(progress=lambda done, total: ticks.append((done, total)))
    assert (verified.damaged, verified.missing) == ((), ())
    assert len(ticks) == verified.checked > 3
    assert ticks == sorted(ticks)
    assert ticks[-1] == (verified.checked_bytes, verified.checked_bytes)


def test_a_flipped_byte_and_a_lost_file_are_found_before_anybody_needs_them(
    retention: RetentionManager, add_model: AddModel, weights_of: WeightsOf, database: Database
) -> None:
    a, b = add_model("v/a", 1), add_model("v/b", 2)
    _flip_last_byte(weights_of(a))
    weights_of(b).unlink()
    verified = retention.verify()
    assert verified.damaged == (weights_of(a).name,)
    assert verified.missing == (weights_of(b).name,)
    assert [variant.is_local for variant in retention.usage().variants] == [False, False]
    for variant in (a, b):
        with pytest.raises(PreconditionError):
            retention.lease(variant.digest, "server-1", 60)
    again = retention.verify()
    assert (again.damaged, again.missing) == ((), ())
    assert again.checked == verified.checked - 2


def test_the_oldest_are_checked_first_and_in_turn(
    retention: RetentionManager, add_model: AddModel, database: Database, pass_time: PassTime
) -> None:
    add_model("v/a", 1)
    count = retention.verify().checked
    for _ in range(count):
        pass_time(minutes=1)
        assert retention.verify(oldest=1).checked == 1
    with database.read() as connection:
        moments = connection.execute(select(blob_location.c.verified_at)).scalars().all()
    assert len(set(moments)) == count
