"""ghz, unmodified, which knows the methods by reflection alone."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

GHZ = shutil.which("ghz")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(GHZ is None, reason="ghz is not installed: go install github.com/bojand/ghz/cmd/ghz@latest"),
]

CALLS = 200


@pytest.mark.parametrize("way", ["straight", "through Envoy"])
def test_ghz_calls_a_method_that_it_finds_by_reflection(live_server: Any, way: str) -> None:
    assert GHZ is not None
    address = live_server.grpc_address if way == "straight" else f"127.0.0.1:{live_server.http_port}"
    body = json.dumps({"model": live_server.model, "texts": ["some words"]})
    command = [GHZ, "--insecure", "--call", "panope.v1.EmbedService/Embed", "--data", body, "--total", str(CALLS)]
    command += ["--concurrency", "8", "--timeout", "60s", "--format", "json", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["count"], report["statusCodeDistribution"]) == (CALLS, {"OK": CALLS})
