"""Jobs that generate, by real processes that are killed in the middle of them: each ends with its file in the end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx2
import psutil
import pytest
from tests.backends.tasks.frame_interpolation.videos import lossless, moving, shown
from tests.frame_graphs import write_blend

from panope.v1 import job_service_pb2 as pb
from panope.v1 import job_service_pb2_grpc as pb_grpc
from panope_client import Client, Job, NotFoundError
from panope_registry.session import RegistrySession

# Servers with a worker and Envoy, of which some are killed, and a process for each command.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MODEL = "acme/blend"
#: Of which many frames are made: whoever is told of the first can kill what makes the others.
VIDEO, FRAMES = lossless(moving(400, 32, 32)), 399 * 16 + 1
SUCCEEDED = Job.STATUS_SUCCEEDED


class Place:
    """A home whose servers come and go, one at a time."""

    def __init__(self, servers: Any, home: Path) -> None:
        self._servers = servers
        self._home = home
        self._server: Any = None
        self.video = home.parent / "in.mkv"
        self.video.write_bytes(VIDEO)

    @property
    def server(self) -> Any:
        """The one that runs; another, where the last was killed."""
        if self._server is None or self._server.process.poll() is not None:
            # A job of a server that was killed is free when its lease has ended.
            self._server = self._servers.start(home=self._home, demo=False, PANOPE_JOBS_LEASE_SECONDS="2")
        return self._server


@pytest.fixture(scope="module")
def place(make_servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("generation-jobs")
    home = folder / "home"
    session = RegistrySession.open(home / "registry.sqlite3", home)
    session.registry.import_folder(write_blend(folder / "blend"), MODEL)
    session.close()
    servers = make_servers(folder, folder)
    try:
        yield Place(servers, home)
    finally:
        servers.stop()


def panope(server: Any, *words: str) -> str:
    command = [sys.executable, "-m", "panope_server", *words, "--address", server.grpc_address]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def in_the_middle(server: Any, job_id: int, attempt: int = 1) -> None:
    """Waits until an attempt has made some of the frames, and not all."""
    before = FRAMES  # what an attempt before has made is told until the next tells its own
    with grpc.insecure_channel(server.grpc_address) as channel:
        for response in pb_grpc.JobServiceStub(channel).WatchJob(pb.WatchJobRequest(id=job_id)):
            job = response.job
            if job.attempt == attempt:
                if before < job.progress.done < FRAMES:
                    return
                before = job.progress.done
    raise AssertionError(f"the job ended: {job}")


def test_a_job_whose_server_is_killed_is_done_by_the_next_one(place: Place, tmp_path: Path) -> None:
    server = place.server
    told = json.loads(panope(server, "interpolate", MODEL, str(place.video), "--factor", "16", "--job", "--json"))
    assert told["kind"] == "interpolate_video"
    in_the_middle(server, told["id"])
    workers = server.workers()
    server.process.kill()
    server.process.wait()
    server = place.server
    with Client(server.grpc_address) as client:
        done = client.wait_job(told["id"])
        assert (done.status, done.attempt, done.progress.done) == (SUCCEEDED, 2, FRAMES), done
        gone, alive = psutil.wait_procs(workers, timeout=20)
        assert (len(gone), alive) == (1, []), "a worker ends with its server"
        (file,) = done.files
        assert (file.name, file.frames, file.frames_per_second) == ("0.mp4", FRAMES, 160)
        whole = client.read_job_file(done.id, "0.mp4")
    assert len(shown(whole)) == FRAMES
    url = f"{server.http_url}/v1/jobs/{done.id}/files/0.mp4"
    part = httpx2.get(url, headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
    out = tmp_path / "out.mp4"
    panope(server, "jobs", "fetch", str(done.id), "--out", str(out))
    assert out.read_bytes() == whole
    with Client(server.grpc_address) as client:
        client.delete_job_files(done.id)
        with pytest.raises(NotFoundError, match="expired"):
            client.read_job_file(done.id, "0.mp4")
    assert httpx2.get(url).status_code == 410


def test_a_job_whose_worker_is_killed_is_tried_again_and_one_that_kills_each_is_not(place: Place) -> None:
    server = place.server
    with Client(server.grpc_address) as client:
        job = client.submit_interpolation(place.video, MODEL, factor=16)
        in_the_middle(server, job.id)
        server.workers()[0].kill()
        done = client.wait_job(job.id)
        assert (done.status, done.attempt, done.files[0].frames) == (SUCCEEDED, 2, FRAMES), done

        bad = client.submit_interpolation(place.video, MODEL, factor=15)
        for attempt in (1, 2):
            in_the_middle(server, bad.id, attempt)
            server.workers()[0].kill()
        failed = client.wait_job(bad.id)
        assert (failed.status, failed.attempt, failed.error.reason) == (Job.STATUS_FAILED, 3, "request_quarantined")
        assert client.interpolate_video(lossless(moving(3)), MODEL).frames == 5, "others are served"


def test_a_job_that_is_cancelled_leaves_its_worker_and_no_file(place: Place) -> None:
    server = place.server
    with Client(server.grpc_address) as client:
        job = client.submit_interpolation(place.video, MODEL, factor=14)
        in_the_middle(server, job.id)
        client.cancel_job(job.id)
        ended = client.wait_job(job.id)
        assert (ended.status, list(ended.files)) == (Job.STATUS_CANCELLED, [])
        assert client.interpolate_video(lossless(moving(3)), MODEL).frames == 5


def test_a_video_that_is_damaged_fails_its_job_by_name(place: Place) -> None:
    server = place.server
    with Client(server.grpc_address) as client:
        job = client.wait_job(client.submit_interpolation(VIDEO[: len(VIDEO) // 2], MODEL).id)
    assert (job.status, job.attempt, job.error.retryable) == (Job.STATUS_FAILED, 1, False)
    assert "cut" in job.error.message
