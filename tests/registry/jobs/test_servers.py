"""Real servers on one real PostgreSQL: killed, cut off from it, and nothing is done twice or lost."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import psutil
import pytest
from safetensors.numpy import save
from sqlalchemy import select

from panope.v1.embed_service_pb2 import EmbedRequest
from panope.v1.embed_service_pb2_grpc import EmbedServiceStub
from panope_client import Client
from panope_registry.jobs import JobEntry, Jobs, JobStatus
from panope_registry.tables.database import Database
from panope_registry.tables.job_tables import job as job_table
from panope_registry.testing.hub import HubStandIn

WAIT_SECONDS = 60
MODELS = tuple(f"acme/model-{number}" for number in range(3))
MEGABYTES = 4

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def files_of(seed: int) -> dict[str, bytes]:
    """A model whose weights are like no other's."""
    weights = np.random.default_rng(seed).standard_normal(MEGABYTES << 18).astype(np.float32)
    config = {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 8}
    return {"config.json": json.dumps(config).encode(), "model.safetensors": save({"weight": weights})}


WEIGHTS = {name: hashlib.sha256(files_of(seed)["model.safetensors"]).hexdigest() for seed, name in enumerate(MODELS)}


@pytest.fixture
def hub() -> Iterator[HubStandIn]:
    with HubStandIn() as stand_in:
        for seed, name in enumerate(MODELS):
            stand_in.add(name, files_of(seed))
        yield stand_in


@pytest.fixture
def start(servers: Any, hub: HubStandIn) -> Any:
    """Starts a server on the shared database, which gives jobs of the dead to others after three seconds."""

    def start(url: str, **options: Any) -> Any:
        return servers.start(
            envoy=False,
            PANOPE_DATABASE_URL=url,
            PANOPE_HUB_ENDPOINT=hub.endpoint,
            PANOPE_HUB_MIN_FREE_BYTES="0",
            PANOPE_JOBS_LEASE_SECONDS="3",
            **options,
        )

    return start


def events(server: Any, name: str) -> list[dict[str, Any]]:
    """What a server's log tells of that name."""
    lines = (json.loads(line) for line in server.log().splitlines() if line.startswith("{"))
    return [line for line in lines if line["event"] == name]


def has(server: Any, sha256: str) -> bool:
    """Whether a server's store holds a file, whole."""
    path = server.home / "store" / "blobs" / "sha256" / sha256[:2] / sha256
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def open_jobs(jobs: Jobs) -> list[JobEntry]:
    return [job for job in jobs.list(limit=1000) if not job.status.is_final]


def owner_of(database: Database, job_id: int) -> int:
    """The process that runs a job."""
    with database.read() as connection:
        owner = connection.execute(select(job_table.c.lease_owner).where(job_table.c.id == job_id)).scalar_one()
    return int(owner.rpartition(":")[2])


def test_two_servers_share_syncs_keep_their_downloads_and_outlive_each_other(
    servers: Any, start: Any, hub: HubStandIn, database: Database, database_url: str
) -> None:
    jobs = Jobs(database)
    hub.fault("trickle", times=None, on="cdn", bytes=1 << 18, seconds=0.1)
    hub.fault("stall", match=f"{MODELS[0]}/resolve/", on="hub", bytes=10)
    both = [start(database_url, home=servers.folder / name, demo=False, ready=False) for name in ("a", "b")]
    for server in both:
        server.wait_ready()
    wait = both[0].wait

    def pull_everything(server: Any) -> None:
        with Client(server.grpc_address) as client:
            for name in MODELS:
                client.pull(name)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(pull_everything, both * 2))
    asked = jobs.list(limit=1000)
    assert Counter(job.kind for job in asked) == {"repo_sync": len(MODELS), "artifact_download": 2 * len(MODELS)}

    # One runs the sync that stalls, the other downloads: the first dies.
    (stalled,) = [job for job in asked if job.kind == "repo_sync" and job.payload["model"] == MODELS[0]]
    wait(lambda: jobs.get(stalled.id).status is JobStatus.RUNNING, WAIT_SECONDS, "the sync")
    victim = next(one for one in both if owner_of(database, stalled.id) in {each.pid for each in one.children()})
    (survivor,) = [one for one in both if one is not victim]
    survivor.wait(lambda: part_of_a_file(survivor), WAIT_SECONDS, "a download")
    worker = psutil.Process(owner_of(database, stalled.id))
    victim.process.kill()
    worker.wait(10)
    hub.clear_faults()

    theirs = (victim.home / "store" / "id").read_text()
    survivor.wait(
        lambda: all(job.store == theirs and job.status is not JobStatus.WAITING for job in open_jobs(jobs)),
        WAIT_SECONDS,
        "the end of all that the survivor may do",
    )
    assert all(has(survivor, sha256) for sha256 in WEIGHTS.values())
    assert jobs.get(stalled.id).attempt == 2, "the survivor took it over"
    assert [job.store for job in open_jobs(jobs)] == [theirs] * len(MODELS)

    back = start(database_url, home=victim.home, demo=False)
    back.wait(lambda: not open_jobs(jobs), WAIT_SECONDS, "the end of all jobs")
    assert {job.status for job in jobs.list(limit=1000)} == {JobStatus.SUCCEEDED}
    assert all(has(back, sha256) for sha256 in WEIGHTS.values())
    logs = (victim, survivor, back)
    synced = Counter(event["model_repo_name"] for log in logs for event in events(log, "repo_synced"))
    assert synced == dict.fromkeys(MODELS, 1)
    fetched = Counter(event["artifact_id"] for log in logs for event in events(log, "artifact_download_finish"))
    assert {sha256: fetched[sha256] for sha256 in WEIGHTS.values()} == dict.fromkeys(WEIGHTS.values(), 2)
    from_the_start = [get.path for get in hub.gets() if get.on == "cdn" and "range" not in get.headers]
    for sha256 in WEIGHTS.values():
        assert sum(sha256 in path for path in from_the_start) == 2, "each store fetched it once"


def part_of_a_file(server: Any) -> bool:
    return any(part.stat().st_size for part in (server.home / "store" / "downloads").glob("*.part"))


def code_for(server: Any, model: str) -> grpc.StatusCode:
    """How a call of a model ends."""
    with grpc.insecure_channel(server.grpc_address) as channel:
        try:
            EmbedServiceStub(channel).Embed(EmbedRequest(model=model, texts=["hello"]), timeout=WAIT_SECONDS)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("seconds", [1.0, pytest.param(10.0, marks=pytest.mark.slow)])
def test_while_the_database_is_away_models_answer_and_jobs_go_on_when_it_is_back(
    start: Any, hub: HubStandIn, cable: tuple[Any, str], database: Database, seconds: float
) -> None:
    line, url = cable
    server = start(url, PANOPE_BACKEND="cpu")
    jobs = Jobs(database)
    stop, failures, answers = threading.Event(), [], []

    def call() -> None:
        with Client(server.grpc_address) as client:
            while not stop.is_set():
                try:
                    answers.append(client.embed(["hello"], model=server.model).vectors.shape)
                except Exception as error:  # handed to the test
                    failures.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    try:
        hub.fault("trickle", times=None, on="cdn", bytes=1 << 18, seconds=0.1)
        with Client(server.grpc_address) as client:
            running = client.pull(MODELS[0]).id
        server.wait(lambda: part_of_a_file(server), WAIT_SECONDS, "a download")
        line.pull()
        before = len(answers)
        server.wait(lambda: bool(events(server, "registry_unreachable")), WAIT_SECONDS, "word of the outage")
        stop.wait(seconds)
        hub.clear_faults()  # the download ends, and cannot tell
        server.wait(lambda: len(answers) > before + 20, WAIT_SECONDS, "answers without the database")
        assert server.admin("/ready").status == 200
        assert code_for(server, "acme/unknown") is grpc.StatusCode.UNAVAILABLE
        line.plug_in()
        server.wait(lambda: jobs.get(running).status.is_final, WAIT_SECONDS, "the end of the job")
        with Client(server.grpc_address) as client:
            later = client.pull(MODELS[1]).id
        server.wait(lambda: jobs.get(later).status.is_final, WAIT_SECONDS, "the next job")
    finally:
        stop.set()
        caller.join(WAIT_SECONDS)
    assert failures == []
    assert set(answers) == {(1, 384)}
    assert {jobs.get(each).status for each in (running, later)} == {JobStatus.SUCCEEDED}
    assert len(events(server, "artifact_download_finish")) == 2
    assert has(server, WEIGHTS[MODELS[0]])
    assert "Traceback" not in server.log()
