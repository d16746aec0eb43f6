"""What is told of models that generate, and the tokens of their texts."""

from __future__ import annotations

import json
from dataclasses import replace

import grpc
import pytest
from rest_doubles.models import CLASSIFIER, EMBEDDER, GENERATOR, RERANKER, TAGGER

from panope.v1 import registry_service_pb2, registry_service_pb2_grpc
from panope_client import Client


def test_a_models_information_tells_what_it_honours(edge):
    told = edge.get(f"/v1/models/{GENERATOR}/info").json
    assert told["embed"] is None
    assert told["generate"] == {
        "max_positions": 2048,
        "vocab_size": 1000,
        "slots": 32,
        "has_chat_template": True,
        "has_tools": True,
        "has_reasoning": False,
        "template_kwargs": ["enable_thinking"],
        "honoured_fields": ["logit_bias", "temperature"],
        "defaults": {"temperature": 0.6},
        "eos_token_ids": [2],
        "cache_precision": "u8",
        "cache_tokens": 4096,
        "max_source_length": 0,
        "languages": ["deu_Latn", "eng_Latn"],
        "ignored_defaults": ["num_beams"],
    }
    assert edge.get(f"/v1/models/{EMBEDDER}/info").json["generate"] is None


def test_grpc_tells_the_same(edge):
    with grpc.insecure_channel(f"127.0.0.1:{edge.grpc_port}") as channel:
        stub = registry_service_pb2_grpc.RegistryServiceStub(channel)
        told = stub.GetModel(registry_service_pb2.GetModelRequest(model=GENERATOR)).model.generate
        other = stub.GetModel(registry_service_pb2.GetModelRequest(model=EMBEDDER)).model
    assert {field.name for field, _ in told.ListFields()} == set(told.DESCRIPTOR.fields_by_name) - {
        "has_reasoning",
        "max_source_length",
    }
    assert (told.max_positions, list(told.honoured_fields)) == (2048, ["logit_bias", "temperature"])
    assert told.defaults_json == '{"temperature": 0.6}'
    assert not other.HasField("generate")


def test_info_tells_of_the_default_model(edge):
    assert "embedding" in edge.get("/info").json["model_type"]
    del edge.models.defaults["embed"]
    told = edge.get("/info").json
    assert (told["model_id"], told["model_pipeline_tag"], told["max_total_tokens"]) == (
        GENERATOR,
        "text-generation",
        2048,
    )
    assert (told["max_best_of"], told["honoured_fields"]) == (1, ["logit_bias", "temperature"])


def test_a_prompt_that_an_encoder_reads_has_a_limit_of_its_own(edge):
    view = edge.models.views[GENERATOR]
    edge.models.views[GENERATOR] = replace(view, generate=replace(view.generate, max_source_length=512))
    del edge.models.defaults["embed"]
    told = edge.get("/info").json
    assert told["model_pipeline_tag"] == "text2text-generation"
    assert (told["max_input_tokens"], told["max_total_tokens"]) == (512, 2560)
    assert edge.post("/v1/tokenize", {"prompt": "one"}).json["max_model_len"] == 512
    assert edge.get(f"/v1/models/{GENERATOR}/info").json["generate"]["max_source_length"] == 512


@pytest.mark.parametrize(("more", "tokens"), [({}, [101, 3, 5, 102]), ({"add_special_tokens": False}, [3, 5])])
def test_a_text_is_split_into_tokens(edge, more, tokens):
    told = edge.post("/v1/tokenize", {"prompt": "one three", **more}).json
    assert told == {"count": len(tokens), "max_model_len": 2048, "tokens": tokens}
    assert edge.instances.calls[-1].model == GENERATOR
    told = edge.post("/v1/tokenize", {"prompt": "one", "model": EMBEDDER, "return_token_strs": True}).json
    assert (told["token_strs"], told["max_model_len"]) == (["[CLS]", "one", "[SEP]"], 256)


@pytest.mark.parametrize("name", [CLASSIFIER, RERANKER, TAGGER])
def test_a_model_with_labels_splits_texts_and_joins_tokens(edge, name):
    told = edge.post("/v1/tokenize", {"prompt": "one", "model": name}).json
    assert told == {"count": 3, "max_model_len": 512, "tokens": [101, 3, 102]}
    assert edge.post("/v1/detokenize", {"tokens": [4], "model": name}).json == {"prompt": "w4"}
    with Client(f"127.0.0.1:{edge.grpc_port}") as client:
        assert client.tokenize(["one"], name)[0].ids == (101, 3, 102)
        assert client.detokenize([[4]], name) == ["w4"]


def test_the_one_model_splits_texts_where_none_is_named_whatever_its_task(edge):
    for task in ("generate", "embed", "rerank", "classify"):
        edge.post("/v1/tokenize", {"prompt": "one"})
        assert edge.instances.calls[-1].model == edge.models.defaults.pop(task)
    assert edge.post("/v1/tokenize", {"prompt": "one"}).status == 200
    edge.models.defaults.clear()
    assert edge.post("/v1/tokenize", {"prompt": "one"}).error["param"] == "model"


def test_a_conversation_reaches_the_model_as_a_chat_does(edge):
    talk = [{"role": "user", "content": "Hi"}]
    more = {"chat_template_kwargs": {"enable_thinking": False}, "continue_final_message": False}
    edge.post("/v1/tokenize", {"messages": talk, **more})
    given = edge.instances.calls[-1].input
    assert (given.texts, given.add_special_tokens) == ([], False)
    assert json.loads(given.conversation.messages) == talk
    assert json.loads(given.conversation.template_kwargs) == {"enable_thinking": False}


def test_tokens_are_joined(edge):
    assert edge.post("/v1/detokenize", {"tokens": [4, 5]}).json == {"prompt": "w4 w5"}
    assert edge.instances.calls[-1].input.skip_special_tokens is False


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/tokenize", {"prompt": ""}, "prompt"),
        ("/v1/tokenize", {"prompt": "a", "messages": [{"role": "user", "content": "b"}]}, "messages"),
        ("/v1/tokenize", {"messages": [{"role": "tool", "content": "b"}]}, "messages[0].tool_call_id"),
        ("/v1/tokenize", {"prompt": "a", "chat_template_kwargs": {"x": 1}}, "chat_template_kwargs"),
        ("/v1/tokenize", {}, "prompt"),
        ("/v1/tokenize", {"prompt": "a" * (1 << 20)}, "prompt"),
        ("/v1/detokenize", {"tokens": []}, "tokens"),
        ("/v1/detokenize", {"tokens": [1], "zzz": 1}, "zzz"),
    ],
)
def test_what_cannot_be_split_or_joined_is_refused_by_its_name(edge, path, body, field):
    reply = edge.post(path, body)
    assert reply.status in {400, 413}
    assert reply.error["param"] in {field, None}
