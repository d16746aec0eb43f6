"""The health service knows models, and aliases as what they point to."""

from __future__ import annotations

import pytest
from grpc_health.v1 import health_pb2

from panope_backends.errors import NotFoundError, ShuttingDownError
from panope_server.runtime.status import ModelState
from panope_server.transport.health import Health
from panope_server.transport.running_calls import RunningCalls

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


async def status(health: Health, service: str) -> int:
    try:
        return (await health.Check(health_pb2.HealthCheckRequest(service=service), None)).status
    except NotFoundError:
        return UNKNOWN


async def test_an_alias_is_as_well_as_what_it_points_to() -> None:
    health = Health([])
    health.model_changed("acme/a", ModelState.SERVING)
    health.aliases_changed({"prod": ["acme/a"], "next": ["acme/b@0123456789ab"]})
    assert await status(health, "prod") == SERVING
    assert await status(health, "next") == UNKNOWN  # what it points to was never loaded
    health.model_changed("acme/b@0123456789ab", ModelState.LOADING)
    assert await status(health, "next") == NOT_SERVING
    health.model_changed("acme/b@0123456789ab", ModelState.SERVING)
    health.model_changed("acme/a", ModelState.FAILED)
    assert (await status(health, "prod"), await status(health, "next")) == (NOT_SERVING, SERVING)


async def test_an_alias_with_several_targets_serves_while_one_of_them_does() -> None:
    health = Health([])
    health.aliases_changed({"prod": ["acme/a", "acme/b"]})
    assert await status(health, "prod") == UNKNOWN
    health.model_changed("acme/a", ModelState.SERVING)
    health.model_changed("acme/b", ModelState.FAILED)
    assert await status(health, "prod") == SERVING
    health.model_changed("acme/a", ModelState.UNLOADED)
    assert await status(health, "prod") == NOT_SERVING


async def test_an_alias_that_is_moved_or_removed_is_no_longer_what_it_was() -> None:
    health = Health([])
    health.model_changed("acme/a", ModelState.SERVING)
    health.model_changed("acme/b", ModelState.UNLOADED)
    health.aliases_changed({"prod": ["acme/a"], "gone": ["acme/a"]})
    health.aliases_changed({"prod": ["acme/b"]})
    assert (await status(health, "prod"), await status(health, "gone")) == (NOT_SERVING, UNKNOWN)
    health.model_changed("acme/a", ModelState.FAILED)
    assert await status(health, "gone") == UNKNOWN


async def test_a_watch_tells_each_change_and_ends_when_streams_do() -> None:
    calls = RunningCalls()
    health = Health([], calls)
    health.start()
    watch = health.Watch(health_pb2.HealthCheckRequest(service="acme/a"), None)
    assert (await anext(watch)).status == UNKNOWN
    health.model_changed("acme/b", ModelState.SERVING)  # another's change is not told
    health.model_changed("acme/a", ModelState.SERVING)
    assert (await anext(watch)).status == SERVING
    health.stop()
    health.model_changed("acme/a", ModelState.SERVING)  # too late to matter
    assert (await anext(watch)).status == NOT_SERVING
    calls.end_streams()
    with pytest.raises(ShuttingDownError):
        await anext(watch)
