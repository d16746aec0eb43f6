"""Variants made here are served: over gRPC, by the worker program, on the real MiniLM."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from command_line import panope
from panope_client import Client

DEMO = "sentence-transformers/all-MiniLM-L6-v2"


@pytest.mark.slow
def test_the_variant_that_was_quantized_answers_like_the_original(
    servers, converted_home: Path, golden_texts, golden_vectors, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(converted_home, home, symlinks=True)
    arguments = ("--format", "openvino", "--precision", "int8", "--json")
    variant = panope("build", DEMO, "--home", home, *arguments).json["variant"]

    server = servers.start("--precision", "int8", "--load", DEMO, home=home, envoy=False)
    assert variant in json.dumps(server.admin("/status").json), "it is the one that runs"
    with Client(server.grpc_address) as client:
        vectors = client.embed_many(golden_texts, DEMO).vectors
    cosines = (vectors * golden_vectors).sum(axis=1)
    assert 0.99 <= cosines.min() < 0.9999, "int8, and neither another model nor the original"
