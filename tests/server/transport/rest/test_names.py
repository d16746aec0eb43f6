"""Names of every kind, models' and aliases', at every path that takes one."""

from __future__ import annotations

from urllib.parse import quote

import grpc
import openai
import pytest

from panope.v1 import registry_service_pb2 as pb
from panope.v1 import registry_service_pb2_grpc as pb_grpc

EMBEDDER = "acme/embedder"
NAMES = ("gpt2", "nomic-embed-text:latest", "ft:tiny-0613:acme::7p4lURel", "prod/tiny:q4", "text-embedding-3-small")


@pytest.mark.parametrize("written", [str, lambda name: quote(name, safe="")], ids=["plain", "escaped"])
@pytest.mark.parametrize("name", NAMES)
def test_a_name_with_a_colon_or_without_a_vendor_is_found_at_every_path(edge, failures, name, written):
    path = written(name)
    told = edge.get(f"/v1/models/{path}").json
    assert (told["id"], told["alias_of"], told["task"]) == (name, EMBEDDER, "embed")
    info = edge.get(f"/v1/models/{path}/info").json
    assert (info["name"], info["alias_of"], info["architecture"]) == (name, EMBEDDER, "BertModel")
    edge.acquisition.known.add(name)
    assert edge.get(f"/v1/models/{path}/files").json["model"] == name
    assert edge.get(f"/v1/model/{path}/files").status == 200
    assert edge.post(f"/v1/embed/{path}", {"inputs": "abc"}).status == 200
    assert edge.post(f"/v1/infer/{path}", {"value": "abc"}).status == 200
    assert edge.post("/v1/embeddings", {"model": name, "input": "abc"}).status == 200
    assert {call.model for call in edge.instances.calls} == {EMBEDDER}
    assert {call.requested_model for call in edge.instances.calls} == {name}
    edge.model_admin.failure = failures["in_use"]
    assert edge.request("DELETE", f"/v1/models/{path}").error["code"] == "in_use"
    assert edge.model_admin.asked[-1] == ("delete", name)


@pytest.mark.parametrize("name", NAMES)
def test_the_typed_service_tells_of_an_alias_by_its_name(edge, name):
    with grpc.insecure_channel(f"127.0.0.1:{edge.grpc_port}") as channel:
        model = pb_grpc.RegistryServiceStub(channel).GetModel(pb.GetModelRequest(model=name)).model
    assert (model.name, model.alias_of, model.task) == (name, EMBEDDER, "embed")


@pytest.mark.parametrize("name", NAMES)
def test_the_client_retrieves_every_name(edge, name):
    with openai.OpenAI(base_url=f"{edge.url}/v1", api_key="unused") as client:
        assert client.models.retrieve(name).id == name


def test_a_model_is_no_alias(edge):
    assert edge.get(f"/v1/models/{EMBEDDER}").json["alias_of"] == ""
