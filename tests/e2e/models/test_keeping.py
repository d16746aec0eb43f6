"""Building, pinning and deleting over gRPC and REST, on one server with the real MiniLM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from panope.v1 import job_service_pb2_grpc
from panope.v1 import registry_service_pb2 as pb
from panope.v1.job_service_pb2 import CancelJobRequest, GetJobRequest, Job


def refused(call: Callable[..., object], *arguments: object) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments)
    return caught.value.code(), caught.value.details()


def test_what_is_asked_for_on_one_interface_is_seen_on_the_other(live_server: Any, stubs: Callable[[str], Any]) -> None:
    server = live_server
    registry, model = stubs(server.grpc_address).registry, server.model
    told = registry.GetModel(pb.GetModelRequest(model=model)).model
    info = server.get(f"/v1/models/{model}/info").json
    assert (told.source, told.commit, dict(told.reasons)) == (info["source"], info["commit"], info["reasons"])
    assert [(each.digest, each.is_local, each.memory_bytes) for each in told.variants] == [
        (each["digest"], each["is_local"], each["memory_bytes"]) for each in info["variants"]
    ]
    made = next(each for each in told.variants if each.derived_from)
    assert made.derived_from in [each.digest for each in told.variants]

    registry.PinModel(pb.PinModelRequest(model=model, variant=made.digest[:8], reason="for the demo"))
    pins = {each["digest"]: each["pin"] for each in server.get(f"/v1/models/{model}/info").json["variants"]}
    assert (pins.pop(made.digest)["reason"], set(pins.values())) == ("for the demo", {None})
    assert server.request("DELETE", f"/v1/models/{model}/pin").status == 200
    assert not registry.GetModel(pb.GetModelRequest(model=model)).model.variants[1].HasField("pin")


def test_models_are_listed_alike(live_server: Any, stubs: Callable[[str], Any]) -> None:
    server = live_server
    registry = stubs(server.grpc_address).registry
    for query, request, count in (
        ("loaded=true&format=openvino", pb.ListModelsRequest(loaded=True, format="openvino"), 1),
        ("loaded=false", pb.ListModelsRequest(loaded=False), 0),
        ("prefix=sentence-transformers/&task=embed", pb.ListModelsRequest(name_prefix="sentence-transformers/"), 1),
        ("prefix=other/", pb.ListModelsRequest(name_prefix="other/"), 0),
    ):
        assert len(server.get(f"/v1/models?{query}").json["data"]) == count
        assert len(registry.ListModels(request).models) == count


def test_a_build_is_a_job_and_what_no_conversion_makes_is_refused(
    live_server: Any, stubs: Callable[[str], Any]
) -> None:
    server = live_server
    variants = f"/v1/models/{server.model}/variants"
    jobs = job_service_pb2_grpc.JobServiceStub(stubs(server.grpc_address).channel)
    answer = server.post(variants, {"format": "openvino", "precision": "int4"})
    assert (answer.status, answer.json["job"]["kind"]) == (202, "quantize")
    job = answer.json["job"]["id"]
    assert jobs.CancelJob(CancelJobRequest(id=job)).job.id == job
    server.wait(lambda: jobs.GetJob(GetJobRequest(id=job)).job.status == Job.STATUS_CANCELLED, 60, "the end of the job")

    impossible = server.post(variants, {"format": "gguf", "precision": "q8_0"})
    assert (impossible.status, impossible.error["param"], impossible.error["code"]) == (400, "format", "no_conversion")
    unknown = server.post(variants, {"format": "tensorrt"})
    assert (unknown.status, unknown.error["param"]) == (400, "format")
    code, _ = refused(stubs(server.grpc_address).registry.BuildVariant, pb.BuildVariantRequest(model="acme/none"))
    assert code is grpc.StatusCode.NOT_FOUND


def test_a_model_is_deleted_only_when_nothing_holds_it(servers: Any, stubs: Callable[[str], Any]) -> None:
    server = servers.start()
    registry, model = stubs(server.grpc_address).registry, server.model
    wanted = pb.DeleteModelRequest(model=model)
    code, why = refused(registry.DeleteModel, wanted)
    assert (code, "serving on this server" in why) == (grpc.StatusCode.FAILED_PRECONDITION, True)
    registry.UnloadModel(pb.UnloadModelRequest(model=model))
    registry.PinModel(pb.PinModelRequest(model=model))
    assert server.request("DELETE", f"/v1/models/{model}").error["code"] == "in_use"
    registry.UnpinModel(pb.UnpinModelRequest(model=model))
    assert server.request("PUT", "/v1/aliases/prod", {"model": model}).status == 200
    reply = server.request("DELETE", f"/v1/models/{model}")
    assert (reply.error["code"], "`prod`" in reply.error["message"]) == ("has_aliases", True)
    assert server.request("DELETE", "/v1/aliases/prod").status == 200

    deleted = registry.DeleteModel(wanted)

    assert deleted.freed_bytes > 90_000_000
    assert server.get(f"/v1/models/{model}").error["code"] == "model_not_found"
    assert refused(registry.DeleteModel, wanted)[0] is grpc.StatusCode.NOT_FOUND
