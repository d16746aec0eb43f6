"""The Go client, by Go's own tools."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.go, pytest.mark.timeout(600)]  # the first build fetches and compiles the dependencies


def test_the_go_client_is_formatted(go: Any) -> None:
    formatted = go.run("run", "cmd/gofmt", "-l", ".")

    assert (formatted.returncode, formatted.stdout) == (0, ""), formatted.stderr


def test_the_go_client_builds_and_passes_vet(go: Any) -> None:
    for command in ("build", "vet"):
        result = go.run(command, "./...")
        assert result.returncode == 0, result.stderr


def test_the_go_tests_pass_and_say_why_they_skip_the_live_ones(go: Any) -> None:
    result = go.run("test", "-v", "./...")

    assert result.returncode == 0, result.stdout + result.stderr
    assert "--- PASS: TestVectorsComeInTheOrderOfTheTexts" in result.stdout
    assert "needs a server: set PANOPE_ADDRESS" in result.stdout


def test_the_go_tests_pass_against_a_live_server(go: Any, live_server: Any) -> None:
    result = go.run(
        "test", "-count=1", "-v", ".", PANOPE_ADDRESS=live_server.grpc_address, PANOPE_MODEL=live_server.model
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert "--- SKIP" not in result.stdout
    assert "--- PASS: TestLiveServerEmbeds" in result.stdout


def test_the_go_example_prints_vectors_and_cosines(go: Any, live_server: Any) -> None:
    result = go.run(
        "run", "./examples/embed", "-address", live_server.grpc_address, "-model", live_server.model, "a cat", "a cat"
    )

    assert result.returncode == 0, result.stderr
    assert re.search(r'^0  "a cat"  \d+ dimensions  \[', result.stdout, re.MULTILINE)
    cosine = re.search(r"^cosine 0 1  ([\d.]+)$", result.stdout, re.MULTILINE)
    assert cosine is not None
    assert math.isclose(float(cosine[1]), 1, abs_tol=1e-3)


def test_the_go_example_tells_what_is_wrong(go: Any, tmp_path: Path) -> None:
    result = go.run("run", "./examples/embed", "-address", f"unix:{tmp_path}/none", "-model", "vendor/name", "a cat")

    assert result.returncode == 1
    assert "(Unavailable)" in result.stderr


def test_the_go_modules_stubs_come_from_these_protos(go: Any) -> None:
    stubs = go.folder / "panopev1"
    protos = go.folder.parents[1] / "protos/panope/v1"

    assert {path.name.removesuffix(".proto") for path in protos.glob("*.proto")} == {
        path.name.removesuffix(".pb.go") for path in stubs.glob("*.pb.go") if not path.name.endswith("_grpc.pb.go")
    }
