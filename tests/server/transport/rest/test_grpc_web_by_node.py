"""gRPC-Web by the client that pages use, unmodified, under Node.js."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest
from rest_doubles.models import EMBEDDER, GENERATOR

pytestmark = [
    pytest.mark.slow,  # npm fetches the client
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js and npm"),
]

PROGRAM = Path(__file__).parent / "programs" / "grpc_web.mjs"
PACKAGES = ("@connectrpc/connect@2", "@connectrpc/connect-web@2", "@bufbuild/protobuf@2")


def test_a_pages_client_embeds_streams_and_reads_errors(edge: Any, tmp_path: Path) -> None:
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES]
    done = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shutil.copy(PROGRAM, tmp_path)
    with as_file(files("panope_envoy").joinpath("descriptors.binpb")) as descriptors:
        command = ["node", PROGRAM.name, edge.url, str(descriptors), EMBEDDER, GENERATOR]
        told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {
        "count": 2,
        "hasId": True,
        "texts": ["Hel", "lo", " wörld", ""],
        "failure": {"code": 5, "message": "there is no model `acme/none`"},
    }
