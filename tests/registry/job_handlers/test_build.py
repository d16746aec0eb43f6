"""Jobs that make variants: real converters in processes of their own, and job workers that are killed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import psutil
import pytest
from sqlalchemy import update

from panope_backends.errors import AvailabilityError, CapacityError, InvalidInputError, NotFoundError, PreconditionError
from panope_backends.testing.models import tiny_gguf
from panope_registry.job_handlers.build import Build
from panope_registry.job_handlers.requests import BuildRequest, enqueue_build
from panope_registry.jobs import JobContext, Jobs, JobStatus
from panope_registry.jobs.context import JobCancelled
from panope_registry.registry import Registry
from panope_registry.session import RegistrySession
from panope_registry.tables.model_tables import blob_location
from panope_server.app.registry_session import open_registry_session
from panope_server.config import JobSettings, Settings
from panope_server.job_worker.conversion_runner import ProgramConversionRunner
from panope_server.runtime.async_registry.jobs import AsyncJobs
from panope_server.runtime.models.loading.build_jobs import BuildJobs

MODEL = "acme/tiny"
SLOW = BuildRequest(MODEL, "openvino")


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.01)
    return found


@dataclass
class Bench:
    """Runs the handler by hand, on the server's conversion_runner."""

    settings: Settings
    registry: Registry
    jobs: Jobs
    told: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)

    def run(self, request: BuildRequest) -> Mapping[str, Any]:
        return self.handler()(self.context(request))

    def handler(self) -> Build:
        conversion_runner = ProgramConversionRunner(self.settings)
        return Build(self.registry, Nothing(), conversion_runner, self.scratch, lambda *told: self.told.append(told))

    def context(self, request: BuildRequest) -> JobContext:
        return JobContext(enqueue_build(self.jobs, request), self.jobs)

    @property
    def scratch(self) -> Path:
        return self.settings.home_path / "scratch"

    def left(self) -> list[Path]:
        return list(self.scratch.glob("*"))


class Nothing:
    """Brings no files, because all are here."""

    def download(self, context: JobContext, files: Any) -> None:
        assert not files


class Away:
    """A shared store that does not answer; what is here already needs none."""

    def download(self, context: JobContext, files: Any) -> None:
        if files:
            raise AvailabilityError("the shared store does not answer")


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the slow converter tells its process, and looks for `go`."""
    folder = tmp_path / "gate"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))  # one of the few variables that reach converters
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    return folder


@pytest.fixture
def bench(tmp_path: Path, gate: Path) -> Iterator[Bench]:
    source = tmp_path / "source"
    source.mkdir()
    tiny_gguf(source)
    settings = Settings(
        home=str(tmp_path / "home"), backend="slow_converter:SlowConverter", jobs=JobSettings(lease_seconds=1)
    )
    with open_registry_session(settings) as session:
        session.registry.import_folder(source, MODEL)
        yield Bench(settings, session.registry, session.jobs)


def test_a_smaller_variant_is_made_once_and_stays_known(bench: Bench) -> None:
    request = BuildRequest(MODEL, "gguf", "q8_0")
    made = bench.run(request)
    source, smaller = bench.registry.model(MODEL).variants
    assert (made["made"], made["variant"]) == (True, smaller.digest)
    assert (smaller.format, smaller.precision, smaller.derived_from) == ("gguf", "q8_0", source.digest)
    assert [file.path for file in smaller.files] == ["model-q8_0.gguf"]
    assert smaller.size_bytes < source.size_bytes
    assert [name for name, _ in bench.told] == ["quantize_start", "quantize_finish"]
    finish = bench.told[-1][1]
    assert (finish["model_repo_name"], finish["variant"], finish["hash"]) == (MODEL, "gguf q8_0", smaller.digest)

    again = bench.run(request)
    assert (again["made"], again["variant"]) == (False, smaller.digest)
    assert len(bench.told) == 2, "nothing was done"
    assert bench.left() == []


def test_what_came_with_the_repo_is_not_made(bench: Bench) -> None:
    (source,) = bench.registry.model(MODEL).variants
    there = bench.run(BuildRequest(MODEL, "gguf", "fp16"))
    assert (there["made"], there["variant"]) == (False, source.digest)


@pytest.mark.parametrize(
    ("request_", "reason", "message"),
    [
        (BuildRequest(MODEL, "onnx"), "no_conversion", "cannot be made onnx; it can be made gguf q8_0"),
        (BuildRequest(MODEL, "gguf", "q9_0"), "no_conversion", "cannot be made gguf q9_0"),
        (BuildRequest(MODEL, "openvino", "int8"), "no_conversion", "cannot be made openvino int8"),
        (BuildRequest(MODEL, "gguf", "q8_0", "v2"), "revision_mismatch", "register the other one first"),
    ],
)
def test_what_cannot_be_made_is_refused_with_what_can(
    bench: Bench, request_: BuildRequest, reason: str, message: str
) -> None:
    with pytest.raises(PreconditionError) as refusal:
        bench.run(request_)
    assert refusal.value.reason == reason
    assert message in refusal.value.message
    assert str(bench.settings.home_path) not in refusal.value.message


def test_a_kind_that_needs_another_program_says_which(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    with pytest.raises(PreconditionError, match=r"`llama-quantize` of llama\.cpp is not on PATH"):
        bench.run(BuildRequest(MODEL, "gguf", "q4_k_m"))


def test_a_model_that_nobody_registered_is_refused(bench: Bench) -> None:
    with pytest.raises(NotFoundError):
        bench.run(BuildRequest("no/body", "gguf", "q8_0"))


@pytest.mark.parametrize(
    ("request_", "field_"),
    [
        (BuildRequest("no/bo/dy", "gguf"), "model"),
        (BuildRequest(MODEL, ""), "format"),
        (BuildRequest(MODEL, "tensorflow"), "format"),
        (BuildRequest(MODEL, "gguf", "../q8"), "precision"),
        (BuildRequest(MODEL, "gguf", "q8_0", "a..b"), "revision"),
    ],
)
def test_a_wish_that_makes_no_sense_becomes_no_job(bench: Bench, request_: BuildRequest, field_: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        enqueue_build(bench.jobs, request_)
    assert refusal.value.field == field_
    assert bench.jobs.list() == []


def test_the_kind_of_job_tells_whether_weights_become_coarser(bench: Bench) -> None:
    preferences = (BuildRequest(MODEL, "gguf", precision) for precision in ("q8_0", "bf16", ""))
    kinds = {request.precision: enqueue_build(bench.jobs, request).kind for request in preferences}
    assert kinds == {"q8_0": "quantize", "bf16": "build_engine", "": "build_engine"}


def test_a_cancelled_build_ends_its_process_and_leaves_nothing(bench: Bench, gate: Path) -> None:
    context = bench.context(SLOW)
    ended: list[BaseException] = []

    def work() -> None:
        try:
            bench.handler()(context)
        except JobCancelled as cancelled:
            ended.append(cancelled)

    thread = threading.Thread(target=work)
    thread.start()
    pid = _converter(gate)
    assert bench.left() != []
    context.interrupt(JobCancelled())
    thread.join(20)
    assert len(ended) == 1
    until(lambda: not psutil.pid_exists(pid))
    assert bench.left() == []
    assert len(bench.registry.model(MODEL).variants) == 1


def test_a_build_whose_worker_is_killed_is_done_once_by_the_next(bench: Bench, gate: Path) -> None:
    job = enqueue_build(bench.jobs, SLOW)
    first = _worker(bench.settings)
    pid = _converter(gate)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    until(lambda: not psutil.pid_exists(pid))
    assert bench.left() != [], "a killed process cleans nothing up"

    (gate / f"pid-{pid}").unlink()
    (gate / "go").touch()
    second = _worker(bench.settings)
    try:
        ended = until(lambda: (found := bench.jobs.get(job.id)).status.is_final and found)
    finally:
        second.terminate()
        second.wait()
    assert (ended.status, ended.result["made"]) == (JobStatus.SUCCEEDED, True)
    _, made = bench.registry.model(MODEL).variants
    assert made.digest == ended.result["variant"]
    assert sorted(file.path for file in made.files) == ["openvino_model.bin", "openvino_model.xml"]
    assert bench.left() == []


async def test_a_load_that_waits_for_a_build_goes_on_when_its_worker_is_killed(bench: Bench, gate: Path) -> None:
    waiting = asyncio.create_task(BuildJobs(AsyncJobs(bench.jobs), bench.registry.store_id, has_worker=True).run(SLOW))
    first = await asyncio.to_thread(_worker, bench.settings)
    pid = await asyncio.to_thread(_converter, gate)
    os.kill(first.pid, signal.SIGKILL)
    await asyncio.to_thread(first.wait)
    await asyncio.to_thread(until, lambda: not psutil.pid_exists(pid))
    assert not waiting.done()
    (gate / "go").touch()
    second = await asyncio.to_thread(_worker, bench.settings)
    try:
        async with asyncio.timeout(60):
            job = await waiting
    finally:
        second.terminate()
        await asyncio.to_thread(second.wait)
    _, made = bench.registry.model(MODEL).variants
    assert (job.result["variant"], job.attempt) == (made.digest, 2)


def test_what_another_machine_shares_and_cannot_be_downloaded_is_made_again(
    bench: Bench, gate: Path, tmp_path: Path
) -> None:
    (gate / "go").touch()
    made = bench.run(SLOW)
    with bench.jobs.database.change() as connection:
        (weights,) = [file for file in bench.registry.model(MODEL).variants[1].files if file.path.endswith(".bin")]
        mine = (blob_location.c.store == bench.registry.store_id) & (blob_location.c.sha256 == weights.sha256)
        connection.execute(update(blob_location).where(mine).values(store="shared"))
    home = bench.settings.home_path
    with RegistrySession.open(bench.settings.database, home, shared_store_id="shared") as sharing:
        conversion_runner = ProgramConversionRunner(bench.settings)
        handler = Build(
            sharing.registry, Away(), conversion_runner, bench.scratch, lambda *told: bench.told.append(told)
        )
        again = handler(bench.context(SLOW))
    assert (again["made"], again["variant"]) == (True, made["variant"])
    assert "build_not_downloaded" in [name for name, _ in bench.told]


def test_a_variant_is_made_of_the_source_that_the_request_names(bench: Bench) -> None:
    (source,) = bench.registry.model(MODEL).variants
    with pytest.raises(PreconditionError, match="cannot be made gguf q8_0"):
        bench.run(BuildRequest(MODEL, "gguf", "q8_0", source="f" * 64))
    with pytest.raises(PreconditionError, match="cannot be made gguf q8_0"):
        bench.run(BuildRequest(MODEL, "gguf", "q8_0", backend="cpu"))
    assert bench.run(BuildRequest(MODEL, "gguf", "q8_0", source=source.digest))["made"]


def test_a_disk_without_room_is_told_before_anything_is_converted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = bench.registry.model(MODEL).variants
    full = SimpleNamespace(total=1 << 40, used=1 << 40, free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(
        CapacityError, match=f"about {2 * source.size_bytes} bytes of disk, and 1000 are free"
    ) as refusal:
        bench.run(SLOW)  # fp16 becomes fp32
    assert refusal.value.reason == "disk_full"
    assert bench.left() == []


def test_what_jobs_that_ended_left_behind_goes_with_the_next_build(bench: Bench) -> None:
    ended, open_ = (enqueue_build(bench.jobs, BuildRequest(MODEL, "gguf", kind)) for kind in ("q4_0", "q4_1"))
    bench.jobs.cancel(ended.id)
    names = [f"job-{ended.id}-1", f"job-{open_.id}-1", "job-999-1", "somebody-elses"]
    for name in names:
        (bench.scratch / name).mkdir(parents=True)
    bench.run(BuildRequest(MODEL, "gguf", "q8_0"))
    assert {path.name for path in bench.left()} == {f"job-{open_.id}-1", "somebody-elses"}


def _converter(gate: Path) -> int:
    """The process that converts, once it does."""
    (told,) = until(lambda: list(gate.glob("pid-*")))
    return int(told.name.removeprefix("pid-"))


def _worker(settings: Settings) -> subprocess.Popen[bytes]:
    worker = subprocess.Popen([sys.executable, "-m", "panope_server.job_worker.worker"], stdin=subprocess.PIPE)
    assert worker.stdin is not None
    worker.stdin.write(msgspec.json.encode(settings))
    worker.stdin.close()
    return worker
