"""Models that are Python code, imported and served by every way in; without a grant they are refused by their file."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import command_line
from page_reader import clean_environment
from panope_backends.testing.python_models import TEXT_CODE, TEXT_CONFIG, embedding_skill, executing, triton_model
from panope_client import Client, InvalidInputError, PanopeClientError, PreconditionError

# A server with workers, and a process for each command.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TEXTS, NUMBERS, SKILL, FAILING = "acme/texts", "acme/numbers", "acme/skill", "acme/failing"
GRANT = {"PANOPE_GRANTS_REMOTE_CODE": "acme/*"}


def panope(*arguments: object, code: int = 0, **variables: str) -> str:
    """Runs the command; what it printed."""
    result = command_line.panope(*arguments, code=code, environment=clean_environment() | variables)
    return result.out if code == 0 else result.out + result.err


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    found = {name: folder / name.partition("/")[2] for name in (TEXTS, NUMBERS, SKILL, FAILING)}
    triton_model(found[TEXTS], TEXT_CODE, TEXT_CONFIG)
    triton_model(found[NUMBERS])
    triton_model(found[FAILING], executing("raise ValueError('for the admin')"))
    embedding_skill(found[SKILL])
    return found


@pytest.fixture(scope="module")
def server(make_servers: Any, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("served")
    home = folder / "home"
    for name, source in folders.items():
        panope("import", source, "--name", name, "--home", home, **GRANT)
    servers = make_servers(folder, folder)
    try:
        yield servers.start(home=home, demo=False, **GRANT)
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[Client]:
    with Client(server.grpc_address) as made:
        yield made


def test_without_a_grant_it_is_refused_by_the_file_that_is_code(folders: dict[str, Path], tmp_path: Path) -> None:
    for name, file in {NUMBERS: "1/model.py", SKILL: "hf_lengths.py"}.items():
        told = panope("import", folders[name], "--name", name, "--home", tmp_path, code=1)
        assert f"`{file}` is the model's own code" in " ".join(told.split())
        assert "`grants.remote_code`" in told


def test_tensors_of_numbers_and_of_texts_are_answered_by_grpc_and_rest(server: Any, client: Client) -> None:
    found = client.infer({"x": np.ones((2, 3), np.float32)}, NUMBERS)
    assert (found["doubled"].tolist(), found["sum"].tolist()) == ([[2, 2, 2]] * 2, [[3], [3]])
    texts = np.array(["Grüße", "b", ""], dtype=object)
    found = client.infer({"texts": texts}, TEXTS)
    assert [each.decode() for each in found["loud"]] == ["GRÜSSE", "B", ""]
    assert found["lengths"].tolist() == [7, 1, 0]
    body = {"inputs": [{"name": "texts", "datatype": "BYTES", "shape": [3], "data": texts.tolist()}]}
    reply = server.post(f"/v1/infer/{TEXTS}", body)
    assert reply.status == 200, reply.body
    by_name = {output["name"]: output for output in reply.json["outputs"]}
    assert by_name["loud"] == {"name": "loud", "datatype": "BYTES", "shape": [3], "data": ["GRÜSSE", "B", ""]}
    assert by_name["lengths"]["data"] == [7, 1, 0]


def test_a_skill_that_embeds_does_so_by_every_way_to_embed(server: Any, client: Client) -> None:
    assert client.embed(["a bc", "d"], model=SKILL, normalize=None).vectors.tolist() == [[4, 2], [1, 1]]
    reply = server.post("/v1/embeddings", {"model": SKILL, "input": ["a bc", "d"]})
    assert reply.status == 200, reply.body
    assert [each["embedding"] for each in reply.json["data"]] == [[4, 2], [1, 1]]


@pytest.mark.parametrize(
    ("tensor", "told"),
    [
        ({"datatype": "FP32", "shape": [1], "data": [1]}, "the model takes object"),
        ({"datatype": "BYTES", "shape": [1], "data": [1]}, "must hold texts alone"),
        ({"datatype": "BYTES", "shape": [2], "data": ["a"]}, "1 elements; shape [2] has 2"),
        ({"datatype": "BYTES", "shape": [1], "raw": "AAA="}, "has 2 bytes"),
        ({"datatype": "BYTES", "shape": [1], "raw": "/////w=="}, "text 0 should have 4,294,967,295 bytes"),
        ({"datatype": "BYTES", "shape": [1], "raw": "AAAAAAA="}, "1 bytes follow the last of 1 texts"),
        ({"datatype": "BYTES", "shape": [0], "raw": ""}, "has the shape [0]"),
    ],
)
def test_texts_that_are_none_are_refused_by_name(server: Any, tensor: dict[str, object], told: str) -> None:
    reply = server.post(f"/v1/infer/{TEXTS}", {"inputs": [{"name": "texts", **tensor}]})
    assert reply.status == 400, reply.body
    assert told in reply.error["message"]


def test_bytes_that_are_no_texts_come_raw(server: Any, client: Client) -> None:
    body = {"inputs": [{"name": "texts", "datatype": "BYTES", "shape": [1], "raw": "AQAAAGE="}]}
    reply = server.post(f"/v1/infer/{TEXTS}", body | {"outputs": [{"name": "loud", "raw": True}]})
    assert reply.json["outputs"] == [{"name": "loud", "datatype": "BYTES", "shape": [1], "raw": "AQAAAEE="}]


def test_code_that_fails_tells_its_caller_its_kind_and_the_admin_why(server: Any, client: Client) -> None:
    with pytest.raises(PanopeClientError) as caught:
        client.infer({"x": np.ones((1, 1), np.float32)}, FAILING)
    assert "the model's own code failed: ValueError" in str(caught.value)
    assert "for the admin" not in str(caught.value)
    server.wait(lambda: "ValueError: for the admin" in server.log(), 5, "the stack in the log")


def test_batches_past_the_models_own_are_refused(client: Client) -> None:
    with pytest.raises(InvalidInputError, match="has a batch of 9; the model takes at most 8"):
        client.infer({"x": np.ones((9, 1), np.float32)}, NUMBERS)


def test_a_model_whose_grant_is_taken_away_does_not_load_again(make_servers: Any, server: Any, tmp_path: Path) -> None:
    servers = make_servers(tmp_path, tmp_path)
    home = tmp_path / "home"
    shutil.copytree(server.home, home, symlinks=True)
    try:
        other = servers.start(home=home, demo=False, envoy=False)
        with Client(other.grpc_address) as client, pytest.raises(PreconditionError, match=r"`grants\.remote_code`"):
            client.infer({"x": np.ones((1, 1), np.float32)}, NUMBERS)
    finally:
        servers.stop()


def test_its_worker_runs_in_the_interpreter_that_the_settings_name(make_servers: Any, tmp_path: Path) -> None:
    """Another interpreter is the same one behind a script, which says so."""
    python, home = tmp_path / "python", tmp_path / "home"
    python.write_text(f'#!/bin/sh\nexport OTHER=7\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    total = "pb_utils.Tensor('sum', np.array([[float(os.environ['OTHER'])]]))"
    body = f"return [pb_utils.InferenceResponse([pb_utils.Tensor('doubled', x), {total}])]"
    triton_model(tmp_path / "code", executing(body, before="import os"))
    panope("import", tmp_path / "code", "--name", NUMBERS, "--home", home, **GRANT)
    servers = make_servers(tmp_path, tmp_path)
    try:
        server = servers.start(home=home, demo=False, envoy=False, PANOPE_HARDWARE_PYTHON=f"python={python}", **GRANT)
        with Client(server.grpc_address) as client:
            assert client.infer({"x": np.ones((1, 1), np.float32)}, NUMBERS, ["sum"])["sum"].tolist() == [[7]]
    finally:
        servers.stop()


def test_show_and_info_tell_what_it_is(server: Any) -> None:
    told = json.loads(panope("show", NUMBERS, "--home", server.home, "--json"))
    assert [variant["format"] for variant in told["variants"]] == ["python"]
    assert "is the model's own code" in told["reasons"]["task"]


def test_the_command_takes_tensors_in_json_and_from_files(server: Any, tmp_path: Path) -> None:
    told = panope("infer", TEXTS, 'texts=["a b", "ü"]', "--address", server.grpc_address)
    assert told.splitlines() == ["lengths: int64 [2]", "[3, 2]", "loud: texts [2]", "['A B', 'Ü']"]
    np.save(tmp_path / "x.npy", np.ones((1, 2), np.float32))
    x = f"x=@{tmp_path}/x.npy"
    told = panope("infer", NUMBERS, x, "--output", "sum", "--address", server.grpc_address, "--json")
    assert json.loads(told) == [{"name": "sum", "type": "float64", "shape": [1, 1], "values": [[2.0]]}]


@pytest.mark.parametrize(
    ("tensor", "told"),
    [
        ("y=[1]", "the model has no input `y`; it has x"),
        ("x", "`x` is not NAME=VALUES"),
        ("x=[[1], [1, 2]]", "`x`: setting an array element"),
        ("x=nothing", "`x`: Expecting value"),
        ('x=[["a"]]', "`x`: could not convert"),
        ("x=@nowhere.npy", "`x`: [Errno 2]"),
    ],
)
def test_the_command_says_what_is_wrong_with_a_tensor(server: Any, tensor: str, told: str) -> None:
    said = panope("infer", NUMBERS, tensor, "--address", server.grpc_address, code=2)
    assert told in " ".join(said.replace("│", "").split())
