"""Kept answers on a real server: told on both surfaces, equal to the first, there while no worker is."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from command_line import panope
from panope.v1.cache_service_pb2 import FlushCacheRequest
from panope.v1.cache_service_pb2_grpc import CacheServiceStub
from panope.v1.embed_service_pb2 import EmbedRequest
from panope.v1.embed_service_pb2_grpc import EmbedServiceStub
from panope.v1.registry_service_pb2 import UnloadModelRequest
from panope.v1.registry_service_pb2_grpc import RegistryServiceStub
from panope_client import Client


@pytest.fixture(scope="module")
def caching(make_servers: Any, converted_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    servers = make_servers(converted_home, tmp_path_factory.mktemp("caching"))
    yield servers.start(PANOPE_RESPONSE_CACHE_ENABLED="true")
    servers.stop()


def ask(server: Any, *texts: str, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    reply = server.post("/v1/embeddings", {"model": server.model, "input": list(texts)}, headers=named)
    assert reply.status == 200, reply.body
    return reply


def test_rest_and_grpc_share_answers_and_tell_where_they_come_from(caching: Any) -> None:
    first = ask(caching, "shared", "by both")
    assert (first.headers["x-cache"], "age" in first.headers) == ("miss", False)
    again = ask(caching, "shared", "by both")
    assert (again.headers["x-cache"], again.json) == ("hit", first.json)
    assert int(again.headers["age"]) >= 0
    with grpc.insecure_channel(caching.grpc_address) as channel:
        embed = EmbedServiceStub(channel).Embed
        request = EmbedRequest(model=caching.model, texts=["by both", "shared"])
        answer, call = embed.with_call(request, timeout=60)
        assert dict(call.initial_metadata())["x-cache"] == "hit"
        _, call = embed.with_call(request, timeout=60, metadata=[("cache-control", "no-store")])
        assert dict(call.initial_metadata())["x-cache"] == "bypass"
    assert answer.count == 2


def test_the_inference_apis_own_words_go_past_the_cache(caching: Any) -> None:
    body = {"inputs": "own words", "model": caching.model}
    told = [caching.post("/v1/embed", body).headers["x-cache"] for _ in range(2)]
    told.append(caching.post("/v1/embed", {**body, "options": {"use_cache": False}}).headers["x-cache"])
    told.append(caching.post("/v1/embed", body, headers={"x-use-cache": "false"}).headers["x-cache"])
    assert told == ["miss", "hit", "bypass", "bypass"]


def test_a_wrong_age_is_refused_by_name(caching: Any) -> None:
    headers = {"cache-control": "max-age=soon"}
    reply = caching.post("/v1/embeddings", {"model": caching.model, "input": "a"}, headers=headers)
    assert (reply.status, reply.error["param"]) == (400, "cache-control")


def test_a_kept_answer_is_counted_and_logged_as_one(caching: Any) -> None:
    ask(caching, "counted")
    ask(caching, "counted")
    metrics = caching.admin("/metrics").body.decode()
    hits = next(line for line in metrics.splitlines() if line.startswith("panope_response_cache_hits_total{"))
    assert float(hits.rpartition(" ")[2]) >= 1
    caching.wait(lambda: '"cache":"hit"' in caching.log(), 60, "the line of a hit")


def test_the_cache_is_told_of_and_flushed_by_every_way_but_through_envoy(caching: Any) -> None:
    def command(*words: str) -> str:
        return panope("cache", *words, "--address", caching.grpc_address).out

    def flush_by_rest() -> None:
        assert caching.request("POST", "/v1/cache/flush", {}, port=caching.admin_port).json["flushed"] >= 1

    def flush_by_grpc() -> None:
        with Client(caching.grpc_address) as client:
            assert client.flush_cache() >= 1

    for flush in (lambda: command("flush"), flush_by_rest, flush_by_grpc):
        assert [ask(caching, "flushed").headers["x-cache"] for _ in range(2)] == ["miss", "hit"]
        flush()
        assert caching.admin("/v1/cache").json["entries"] == 0
    told = caching.admin("/v1/cache").json
    assert (told["flushes"], told["shared"], told["models"][0]["model"]) == (3, False, caching.model)
    assert json.loads(command("show", "--json")) == told
    assert caching.model in command("show")
    for reply in (caching.get("/v1/cache"), caching.post("/v1/cache/flush", {})):
        assert (reply.status, reply.error["code"]) == (404, "unknown_path")
    with grpc.insecure_channel(f"127.0.0.1:{caching.http_port}") as channel, pytest.raises(grpc.RpcError) as refused:
        CacheServiceStub(channel).FlushCache(FlushCacheRequest(), timeout=60)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    reply = caching.request("POST", "/v1/cache/flush", {"model": "x"}, port=caching.admin_port)
    assert (reply.status, reply.error["code"]) == (400, "unknown_field")


def test_what_was_answered_is_answered_while_no_worker_is_there(caching: Any) -> None:
    first = ask(caching, "kept through everything")
    (worker,) = caching.workers()
    worker.send_signal(signal.SIGKILL)
    worker.wait(60)
    assert ask(caching, "kept through everything").json == first.json
    caching.wait_ready()
    with grpc.insecure_channel(caching.grpc_address) as channel:
        RegistryServiceStub(channel).UnloadModel(UnloadModelRequest(model=caching.model), timeout=60)
    again = ask(caching, "kept through everything")
    assert (again.headers["x-cache"], again.json) == ("hit", first.json)
    assert not caching.workers(), "no model was loaded for it"
    assert ask(caching, "something new").headers["x-cache"] == "miss"


def test_without_the_setting_nothing_is_said_of_a_cache(live_server: Any) -> None:
    assert "x-cache" not in ask(live_server, "a").headers
