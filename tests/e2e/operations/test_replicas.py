"""Two servers behind one Envoy: they are stopped and started one after the other, and no call fails."""

from __future__ import annotations

import http.client
import itertools
import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from panope.v1 import embed_service_pb2 as embed_pb
from panope.v1 import embed_service_pb2_grpc, generate_service_pb2_grpc, registry_service_pb2_grpc
from panope.v1 import generate_service_pb2 as generate_pb
from panope.v1 import generation_pb2 as generation
from panope.v1 import registry_service_pb2 as registry_pb
from panope_backends.testing.echo_upstream import MODEL, EchoUpstream
from panope_client import Client, Job, Upstream
from panope_envoy.binary import envoy_path
from panope_registry.serving_records.usage import Dimension
from panope_registry.session import RegistrySession

Call = Callable[[], None]

#: Of servers behind an Envoy that is not their own.
DELAY = {"PANOPE_STOP_DELAY_SECONDS": "2"}

LOAD_SECONDS = 900
"""For two servers to start, on whatever machine this is."""

VECTORS, WORDS = "acme/vectors", "acme/words"
#: A prompt of ten bytes comes back, and the end is a token too.
ECHOED_TOKENS = 11


@contextmanager
def edge_of(servers: list[Any], port: int, folder: Path) -> Iterator[str]:
    """An Envoy of its own before servers; its address."""
    command = [sys.executable, "-m", "panope_envoy", "--port", str(port)]
    command += ["--envoy-admin-socket", str(folder / "envoy.sock")]
    for server in servers:
        command += ["--server", server.grpc_address, "--admin", f"127.0.0.1:{server.admin_port}"]
    config = folder / "envoy.json"
    config.write_text(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    envoy = [str(envoy_path()), "--config-path", str(config), "--disable-hot-restart", "--concurrency", "1"]
    with (folder / "envoy.log").open("wb") as log:
        process = subprocess.Popen([*envoy, "--log-level", "warning"], stdout=log, stderr=log)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


class Callers:
    """Threads that call again and again, and what came of it."""

    def __init__(self) -> None:
        self.failed: list[tuple[str, object]] = []
        self.counts: Counter[str] = Counter()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, name: str, call: Call) -> None:
        def work() -> None:
            while not self._stop.is_set():
                try:
                    call()
                except Exception as error:  # told by the test
                    self.failed.append((name, error))
                self.counts[name] += 1

        self._threads.append(threading.Thread(target=work, name=name))
        self._threads[-1].start()

    def __enter__(self) -> Callers:
        return self

    def __exit__(self, *_: object) -> None:
        """Stops them, also when the test has failed: they would call for as long as it is told."""
        self._stop.set()
        for thread in self._threads:
            thread.join(120)


def request(address: str, verb: str, path: str, body: str | None = None) -> bytes:
    """The answer on a connection of its own; it must be a good one."""
    connection = http.client.HTTPConnection(address, timeout=120)
    try:
        connection.request(verb, path, body, {"content-type": "application/json"} if body else {})
        answer = connection.getresponse()
        told = answer.read()
        assert answer.status == 200, told
        return told
    finally:
        connection.close()


def get(address: str, path: str) -> None:
    request(address, "GET", path)


def post(address: str, path: str, document: Any) -> bytes:
    return request(address, "POST", path, json.dumps(document))


def wait(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen in {seconds:g} seconds"
        time.sleep(0.01)


def answers(address: str, path: str) -> bool:
    try:
        get(address, path)
    except (OSError, AssertionError):
        return False
    return True


def restarted(servers: Any, server: Any, *flags: str, **variables: str) -> Any:
    """The server again, on its ports, when it has ended; it must end well."""
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0, server.log()[-3000:]
    assert '"requests_aborted"' not in server.log()
    ports = ["--grpc-port", str(server.grpc_port), "--admin-port", str(server.admin_port)]
    again = servers.start(*flags, *ports, home=server.home, demo=False, envoy=False, ready=False, **variables)
    again.grpc_port, again.admin_port = server.grpc_port, server.admin_port
    again.wait_ready(LOAD_SECONDS)
    return again


def answered(server: Any) -> int:
    """The calls that a server has answered."""
    return server.log().count('"event":"request_finished"')


def roll(servers: Any, both: list[Any], *flags: str, **variables: str) -> None:
    """Stops and starts one after the other, each when calls have come to the one before."""
    for place in range(2):
        again = both[place] = restarted(servers, both[place], *flags, **variables)
        # Bound at once, which the types do not know.
        wait(lambda again=again: answered(again) > 5, "a call of the server that came back", LOAD_SECONDS)  # type: ignore[misc]


def test_servers_that_are_stopped_one_after_the_other_lose_no_call(empty_servers: Any, tmp_path: Path) -> None:
    both = [empty_servers.start(demo=False, envoy=False, ready=False, **DELAY) for _ in range(2)]
    waiting = empty_servers.start(demo=False, envoy=False, ready=False, PANOPE_LOAD="acme/absent")
    for server in both:
        server.wait_ready()
    with edge_of([*both, waiting], both[0].http_port, tmp_path) as address, grpc.insecure_channel(address) as channel:
        wait(lambda: answers(address, "/health") and answers(address, "/v1/models"), "an answer")
        registry = registry_service_pb2_grpc.RegistryServiceStub(channel)

        def models() -> None:
            registry.ListModels(registry_pb.ListModelsRequest(), timeout=120)

        with Callers() as callers:
            for number in range(3):
                callers.start(f"rest {number}", lambda: get(address, "/v1/models"))
                callers.start(f"grpc {number}", models)
            callers.start("admin", lambda: get(address, "/health"))
            roll(empty_servers, both, **DELAY)
    assert Counter((n.split()[0], str(e)[:160]) for n, e in callers.failed) == Counter()
    assert min(callers.counts.values()) > 5, callers.counts
    assert answered(waiting) == 0  # it is not ready


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_four_thousand_embeddings_and_streams_outlive_rolling_restarts_and_each_counts_once(
    empty_servers: Any, tmp_path: Path
) -> None:
    """Their models run on one server elsewhere, so that what is stopped and started is Panope and not PyTorch."""
    homes = [tmp_path / "a", tmp_path / "b"]
    with EchoUpstream() as upstream:
        remote = {"PANOPE_REMOTE_ALLOWED_HOSTS": "127.0.0.1", "PANOPE_REMOTE_PRIVATE_ADDRESSES": "true"}
        start = {"demo": False, "envoy": False, **DELAY, **remote}
        both = [empty_servers.start(home=home, ready=False, **start) for home in homes]
        for server in both:
            server.wait_ready(LOAD_SECONDS)
            register(server, upstream)
        with edge_of(both, both[0].http_port, tmp_path) as address, grpc.insecure_channel(address) as channel:
            wait(lambda: answers(address, "/v1/models"), "an answer")
            with Callers() as callers:
                for number in range(2):
                    for name, call in calls_of(address, channel).items():
                        callers.start(f"{name} {number}", call)
                while callers.counts.total() < 4000:
                    roll(empty_servers, both, **DELAY, **remote)
        for server in both:
            assert server.stop() == 0, server.log()[-3000:]
    sys.stderr.write(f"{callers.counts.total()} calls, {len(callers.failed)} failed: {dict(callers.counts)}\n")
    assert Counter((name.split()[0], str(error)[:300]) for name, error in callers.failed) == Counter()
    assert used(homes) == asked_for(callers.counts)


def register(server: Any, upstream: EchoUpstream) -> None:
    """Registers two models of the server elsewhere, one for each task."""
    with Client(server.grpc_address) as client:
        jobs = [
            client.register(name, upstream=Upstream(url=upstream.url, protocol="vllm", model=MODEL), task_hints=[task])
            for name, task in ((VECTORS, "embed"), (WORDS, "generate"))
        ]
        for job in jobs:
            wait(lambda job=job: client.job(job.id).status == Job.STATUS_SUCCEEDED, "registration")  # type: ignore[misc]


def used(homes: list[Path]) -> dict[str, tuple[int, int]]:
    """The requests and the tokens of answers that all servers have counted, by task."""
    counts: dict[str, tuple[int, int]] = {}
    for home in homes:
        with RegistrySession.open(home / "registry.sqlite3", home) as session:
            for each in session.usage.sums(by=[Dimension.TASK]):
                requests, tokens = counts.get(each.task, (0, 0))
                written = each.counts.output_tokens if each.task == "generate" else 0
                counts[str(each.task)] = requests + each.counts.requests, tokens + written
    return counts


def asked_for(counts: Counter[str]) -> dict[str, tuple[int, int]]:
    """What callers were answered, by task."""
    of = Counter({name.split()[0]: 0 for name in counts})
    for name, count in counts.items():
        of[name.split()[0]] += count
    streams = of["stream"] + of["events"]
    return {"embed": (of["vectors"] + of["embeddings"], 0), "generate": (streams, streams * ECHOED_TOKENS)}


def calls_of(address: str, channel: grpc.Channel) -> dict[str, Call]:
    """Embeddings and streams, by gRPC and REST; each answer is what the model always gives."""
    embed = embed_service_pb2_grpc.EmbedServiceStub(channel)
    generate = generate_service_pb2_grpc.GenerateServiceStub(channel)
    options = generation.GenerationOptions(max_tokens=100, sampling=generation.SamplingParams(temperature=0))
    numbers = itertools.count()

    def vectors() -> None:
        texts = [f"hello {next(numbers)}", "there"]
        assert embed.Embed(embed_pb.EmbedRequest(model=VECTORS, texts=texts), timeout=120).count == 2

    def embeddings() -> None:
        told = json.loads(post(address, "/v1/embeddings", {"model": VECTORS, "input": ["there"]}))
        assert [len(each["embedding"]) for each in told["data"]] == [8]

    def stream() -> None:
        prompt = f"{next(numbers):010d}"
        request = generate_pb.GenerateRequest(model=WORDS, prompts=[prompt], options=options)
        parts = generate.StreamGenerate(generate_pb.StreamGenerateRequest(request=request), timeout=120)
        assert "".join(delta.text for part in parts for delta in part.deltas) == prompt

    def events() -> None:
        prompt = f"{next(numbers):010d}"
        asked = {"model": WORDS, "prompt": prompt, "max_tokens": 100, "temperature": 0, "stream": True}
        lines = post(address, "/v1/completions", asked).decode().splitlines()
        *events, end = (line.removeprefix("data: ") for line in lines if line.startswith("data: "))
        assert end == "[DONE]"
        assert "".join(json.loads(event)["choices"][0]["text"] for event in events) == prompt

    return {"vectors": vectors, "embeddings": embeddings, "stream": stream, "events": events}
