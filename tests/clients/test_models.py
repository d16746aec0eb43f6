"""Models, devices and health through either client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from grpc_health.v1 import health_pb2

from panope_client import DeadlineError, Health, Job, Model, NotFoundError, Upstream

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def test_all_pages_of_models_are_listed(client: Any, fake: Any) -> None:
    models = await client.models(task="embed", format="onnx", name_prefix="vendor/", loaded=False)

    assert [model.name for model in models] == [f"vendor/m{number}" for number in range(5)]
    assert [request.page_token for request in fake.requests] == ["", "2", "4"]
    asked = {(one.task, one.format, one.name_prefix, one.HasField("loaded"), one.loaded) for one in fake.requests}
    assert asked == {("embed", "onnx", "vendor/", True, False)}


async def test_a_model_is_told_by_name(client: Any) -> None:
    assert (await client.model("vendor/m")).name == "vendor/m"


async def test_a_model_is_loaded_as_asked_and_unloaded(client: Any) -> None:
    loaded = await client.load("vendor/m", backend="openvino", precision="bf16")
    assert loaded.state == Model.STATE_SERVING
    assert (loaded.instances[0].backend, loaded.instances[0].precision) == ("openvino", "bf16")

    assert (await client.unload("vendor/m")).state == Model.STATE_UNLOADED


async def test_devices_keep_their_order(client: Any) -> None:
    assert [device.backend for device in await client.devices()] == ["openvino", "cpu"]


async def test_the_catalogue_is_asked_for_in_part(client: Any) -> None:
    found = await client.catalogue(task="embed", backend="openvino")
    assert [(entry.model_type, entry.task, entry.serves) for entry in found.architectures] == [("bert", "embed", True)]


async def test_health_is_told_for_the_server_and_for_a_model(client: Any, fake: Any) -> None:
    await fake.health.set("vendor/m", NOT_SERVING)

    assert await client.health() is Health.SERVING
    assert await client.health("vendor/m") is Health.NOT_SERVING
    with pytest.raises(NotFoundError):
        await client.health("vendor/other")


async def test_waiting_ends_as_soon_as_the_model_serves(client: Any, fake: Any) -> None:
    await fake.health.set("vendor/m", NOT_SERVING)
    waiting = asyncio.create_task(client.wait_ready(30, model="vendor/m"))
    await fake.health.watched.acquire()

    await fake.health.set("vendor/m", SERVING)

    await waiting


async def test_waiting_begins_before_the_server_does(connect: Callable[..., Any], fake: Any, address: str) -> None:
    waiting = asyncio.create_task(connect().wait_ready(30))
    server = await fake.serve(address)
    try:
        await waiting
    finally:
        await server.stop(None)


async def test_waiting_outlives_a_server_that_starts_again(
    connect: Callable[..., Any], fake: Any, address: str, clock: Any
) -> None:
    await fake.health.set("", NOT_SERVING)
    server = await fake.serve(address)
    client = connect()
    waiting = asyncio.create_task(client.wait_ready(30))
    await fake.health.watched.acquire()

    await server.stop(None)
    await fake.health.set("", SERVING)
    server = await fake.serve(address)

    try:
        await waiting
    finally:
        await server.stop(None)


async def test_waiting_in_vain_says_for_what_and_how_long(client: Any, fake: Any) -> None:
    with pytest.raises(DeadlineError, match=r"model `vendor/none` did not become ready within 0.1 seconds"):
        await client.wait_ready(0.1, model="vendor/none")


async def test_a_model_is_registered_and_pulled_as_asked(client: Any, fake: Any) -> None:
    registered = await client.register(
        "vendor/m",
        revision="v1",
        task_hints=["embed"],
        preferred_format="onnx",
        preferred_precision="fp16",
        quantization_targets=["int8"],
    )
    pulled = await client.pull("vendor/m", format="onnx", precision="fp16", include=[])

    assert (registered.kind, pulled.kind) == ("repo_sync", "artifact_download")
    assert (fake.requests[0].revision, list(fake.requests[0].task_hints)) == ("v1", ["embed"])
    assert (fake.requests[0].preferred_precision, list(fake.requests[0].quantization_targets)) == ("fp16", ["int8"])
    assert (fake.requests[1].format, fake.requests[1].precision) == ("onnx", "fp16")


async def test_a_model_that_a_server_elsewhere_runs_is_registered_with_its_address(client: Any, fake: Any) -> None:
    upstream = Upstream(url="https://host/v1", protocol="openai", model="gpt")
    assert (await client.register("acme/gpt", task_hints=["generate"], upstream=upstream)).kind == "repo_sync"
    await client.register("vendor/m")
    assert fake.requests[0].upstream == upstream
    assert not fake.requests[1].HasField("upstream")


async def test_a_job_is_looked_at_cancelled_and_queued_again(client: Any) -> None:
    assert (await client.job(7)).status == Job.STATUS_RUNNING
    assert (await client.cancel_job(7)).status == Job.STATUS_CANCELLED
    assert (await client.retry_job(7)).status == Job.STATUS_QUEUED


async def test_a_model_is_told_how_long_to_stay_loaded_or_to_forget_it(client: Any, fake: Any) -> None:
    assert (await client.update("vendor/m", keep_alive="10m")).name == "vendor/m"
    await client.update("vendor/m", keep_alive=-1)
    await client.update("vendor/m", keep_alive="")
    assert [(each.HasField("keep_alive"), each.keep_alive) for each in fake.requests] == [
        (True, "10m"),
        (True, "-1"),
        (True, ""),
    ]
    await client.register("vendor/m", keep_alive=300)
    assert fake.requests[-1].keep_alive == "300"


async def test_a_variant_is_built_pinned_and_unpinned_and_a_model_deleted(client: Any, fake: Any) -> None:
    assert (await client.build("vendor/m", "openvino", precision="int8")).kind == "quantize"
    pinned = await client.pin("vendor/m", variant="abababab", reason="demo")
    assert pinned.variants[0].pin.reason == "demo"
    assert not (await client.unpin("vendor/m", variant="abababab")).variants[0].HasField("pin")
    assert await client.delete("vendor/m") == 1 << 33
    assert (fake.requests[0].model, fake.requests[0].format, fake.requests[0].precision) == (
        "vendor/m",
        "openvino",
        "int8",
    )


async def test_waiting_for_a_job_ends_with_it_however_it_ended(
    connect: Callable[..., Any], server: Any, fake: Any, clock: Any
) -> None:
    fake.polls_until_failed = 4
    job = await connect(clock=clock).wait_job(7)
    assert (job.id, job.status, len(fake.requests)) == (7, Job.STATUS_FAILED, 4)
    assert clock.slept == [0.5, 0.5, 0.5]


async def test_waiting_for_a_job_that_goes_on_ends_in_time(
    connect: Callable[..., Any], server: Any, clock: Any
) -> None:
    with pytest.raises(DeadlineError, match=r"job 7 did not end within 1.2 seconds"):
        await connect(clock=clock).wait_job(7, timeout=1.2)
    assert sum(clock.slept) == pytest.approx(1.2)
