"""Unmodified clients of other servers, each in an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rest_doubles.edge import Edge
from rest_doubles.models import vector_of

PROGRAMS = Path(__file__).resolve().parent / "other_clients"
EMBEDDER = "acme/embedder"
TEXTS = ["abc", "Straße 東京", "a longer text, with more words"]
#: What its environment needs, by program.
NEEDS = {
    "litellm_embed.py": ["litellm>=1.110,<2"],
    "llama_index_embed.py": [
        "llama-index-embeddings-openai-like",
        "llama-index-embeddings-text-embeddings-inference",
    ],
    "haystack_embed.py": ["haystack-ai>=2.20,<3", "huggingface-hub>=1"],
}
QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def told(command: list[str | Path], folder: Path) -> str:
    """What a program prints; the test fails with its last words when it fails."""
    done = subprocess.run(
        command, cwd=folder, env=os.environ | QUIET, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def installed(command: list[str | Path], folder: Path) -> None:
    """Skips the test, with the reason, where packages cannot be had."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=400, check=False)
    if done.returncode:
        pytest.skip(f"its packages cannot be installed: {done.stderr.strip().splitlines()[-1:]}")


def python_with(needs: list[str], folder: Path) -> Path:
    """An interpreter with these packages alone."""
    uv = Path(sys.executable).parent / "uv"
    if not uv.exists():
        pytest.skip("uv is not installed beside this Python")
    installed([uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"], folder)
    python = folder / "venv/bin/python"
    installed([uv, "pip", "install", "--quiet", "--python", python, *needs], folder)
    return python


def expected() -> np.ndarray:
    return np.array([vector_of(text) for text in TEXTS])


@pytest.mark.parametrize("program", NEEDS)
def test_a_client_in_python_gets_the_vector_of_each_text(edge: Edge, tmp_path: Path, program: str) -> None:
    python = python_with(NEEDS[program], tmp_path)
    found = json.loads(told([python, PROGRAMS / program, edge.url, EMBEDDER, json.dumps(TEXTS)], tmp_path))
    assert len(found) >= 2
    for name, vectors in found.items():
        assert np.allclose(vectors, expected(), rtol=1e-5, atol=1e-9), name
    asked = [text for call in edge.instances.calls for text in call.input.texts]
    assert sorted(asked) == sorted(TEXTS * len(found))


def test_hugging_faces_client_in_javascript_gets_them_at_every_address(edge: Edge, tmp_path: Path) -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    shutil.copy(PROGRAMS / "inference.mjs", tmp_path)
    (tmp_path / "package.json").write_text('{"private": true, "type": "module"}')
    installed(["npm", "install", "--silent", "--no-fund", "--no-audit", "@huggingface/inference@4"], tmp_path)
    found = json.loads(told(["node", "inference.mjs", edge.url, EMBEDDER, json.dumps(TEXTS)], tmp_path))
    assert len(found["vectors"]) == 3
    for address, vectors in found["vectors"].items():
        assert np.allclose(vectors, expected(), rtol=1e-5, atol=1e-9), address
    assert np.allclose(found["cosines"], np.clip(expected() @ expected()[0], -1, 1), atol=1e-5)
