"""The instances of all servers: told as they are, gone when their server is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from panope_registry.serving_records.instances import InstanceRecord, Instances
from panope_registry.tables.database import Database, open_engine
from panope_server.runtime.status import InstanceState

MOMENT = datetime(2026, 11, 21, 12, tzinfo=UTC)
ONE = InstanceRecord(
    id="red/v/m#1",
    server="red",
    model="v/m",
    variant_digest="a" * 64,
    backend="cpu",
    device="CPU",
    host="machine-1",
    pid=17,
    state="ready",
    started_at=MOMENT,
    heartbeat_at=MOMENT,
)
TWO = replace(ONE, id="red/v/m#2", state="starting", pid=18)
OTHER = replace(ONE, id="blue/v/m#1", server="blue", host="machine-2")


@pytest.fixture
def instances(database_url: str) -> Iterator[Instances]:
    database = Database(open_engine(database_url))
    yield Instances(database)
    database.close()


def test_the_instances_of_all_servers_are_known(instances: Instances) -> None:
    instances.report("red", [ONE, TWO], 30)
    instances.report("blue", [OTHER], 30)
    assert instances.list() == [OTHER, ONE, TWO]


def test_what_a_server_tells_no_more_is_gone(instances: Instances) -> None:
    instances.report("red", [ONE, TWO], 30)
    instances.report("blue", [OTHER], 30)
    drained = replace(TWO, state="draining")
    instances.report("red", [drained], 30)
    assert instances.list() == [OTHER, drained]
    instances.report("red", [], 30)
    assert instances.list() == [OTHER]


def test_a_server_that_tells_nothing_is_forgotten_and_cleared_away_by_another(
    instances: Instances, database_url: str
) -> None:
    instances.report("red", [ONE], -1)
    assert instances.list() == []
    instances.report("blue", [OTHER], 30)
    database = Database(open_engine(database_url))
    with database.read() as connection:
        rows = connection.exec_driver_sql("SELECT server FROM runtime_instance").scalars().all()
    database.close()
    assert rows == ["blue"]


@pytest.mark.parametrize("state", InstanceState)
def test_an_instance_is_recorded_in_every_state_that_a_server_knows(instances: Instances, state: InstanceState) -> None:
    record = replace(ONE, state=state.value)
    instances.report("red", [record], 30)
    assert instances.list() == [record]
