"""The real grpcurl against a live server: by reflection, without proto files."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format

from panope.v1.embed_service_pb2 import EmbedResponse

pytestmark = [pytest.mark.go, pytest.mark.timeout(600)]  # grpcurl is built first


def test_grpcurl_lists_the_services(grpcurl: Any, live_server: Any) -> None:
    listed = grpcurl(live_server.grpc_address, "list")

    assert listed.returncode == 0, listed.stderr
    assert {
        "panope.v1.EmbedService",
        "panope.v1.InferService",
        "panope.v1.RegistryService",
        "grpc.health.v1.Health",
    } <= set(listed.stdout.split())


@pytest.mark.parametrize(
    ("symbol", "words"),
    [
        ("panope.v1.EmbedService", "rpc StreamEmbed ( stream .panope.v1.StreamEmbedRequest )"),
        ("panope.v1.EmbedRequest", "repeated .panope.v1.TokenSequence token_sequences = 3;"),
        ("panope.v1.DataType", "DATA_TYPE_FP32 = 11;"),
    ],
)
def test_grpcurl_describes_what_it_lists(grpcurl: Any, live_server: Any, symbol: str, words: str) -> None:
    described = grpcurl(live_server.grpc_address, "describe", symbol)

    assert described.returncode == 0, described.stderr
    assert words in described.stdout


def test_grpcurl_embeds(grpcurl: Any, live_server: Any) -> None:
    request = json.dumps({"model": live_server.model, "texts": ["hello", "good morning"]})

    called = grpcurl("-d", request, live_server.grpc_address, "panope.v1.EmbedService/Embed")

    assert called.returncode == 0, called.stderr
    answer = json_format.Parse(called.stdout, EmbedResponse())
    vectors = np.frombuffer(answer.vectors, "<f4").reshape(2, answer.dimensions)
    assert np.isfinite(vectors).all()
    assert np.ptp(vectors) > 0
    assert len(answer.token_counts) == answer.count == 2


def test_grpcurl_shows_the_details_of_an_error(grpcurl: Any, live_server: Any) -> None:
    request = json.dumps({"model": "vendor/does-not-exist", "texts": ["hello"]})

    called = grpcurl("-d", request, live_server.grpc_address, "panope.v1.EmbedService/Embed")

    assert called.returncode != 0
    assert "Code: NotFound" in called.stderr
    assert "google.rpc.ErrorInfo" in called.stderr


@pytest.mark.parametrize("service", ["", "model"])
def test_grpcurl_reads_the_health(grpcurl: Any, live_server: Any, service: str) -> None:
    request = json.dumps({"service": live_server.model if service else ""})

    called = grpcurl("-d", request, live_server.grpc_address, "grpc.health.v1.Health/Check")

    assert called.returncode == 0, called.stderr
    assert json.loads(called.stdout)["status"] == "SERVING"
