"""Usage equals the sum of the answers: over streams, cancelled and cut ones, deaths of workers and of servers."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

import seeded_chat
from panope.v1 import generate_service_pb2 as pb
from panope.v1 import generate_service_pb2_grpc as pb_grpc
from panope.v1 import generation_pb2 as generation
from panope_registry.serving_records.usage import UsageCounts, UsageLedger
from panope_registry.session import RegistrySession
from panope_registry.tables.database import Database, open_engine

PROMPT = "The capital of France is"
SETTINGS = {"PANOPE_PRECISION": "fp32", "PANOPE_GENERATION_CACHE_PRECISION": "fp32"}
MANY = 6000
"""Tokens of an answer that is not over when its reader has seen a few."""


@dataclass
class Told:
    """What answers have told their callers; of cut ones what had come."""

    requests: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, other: Told) -> None:
        for name in vars(other):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def whole(stub: Any, number: int) -> Told:
    """A call whose answer is read to its end: every third as a stream."""
    request = pb.GenerateRequest(
        model=seeded_chat.NAME,
        prompts=[f"{PROMPT} {number}"],
        options=generation.GenerationOptions(max_tokens=4 + number % 9, ignore_eos=True),
    )
    if number % 3:
        usage = stub.Generate(request, timeout=120).usage
    else:
        parts = list(stub.StreamGenerate(pb.StreamGenerateRequest(request=request), timeout=120))
        usage = parts[-1].usage
    return Told(1, 0, usage.prompt_tokens, usage.completion_tokens)


def begun(stub: Any, tokens: int) -> tuple[Any, Told]:
    """A stream of which so many tokens were read, at least."""
    options = generation.GenerationOptions(max_tokens=MANY, ignore_eos=True)
    request = pb.GenerateRequest(model=seeded_chat.NAME, prompts=[PROMPT], options=options)
    stream = stub.StreamGenerate(pb.StreamGenerateRequest(request=request), timeout=120)
    read = 0
    for part in stream:
        read += sum(len(delta.token_ids) for delta in part.deltas)
        if read >= tokens:
            break
    return stream, Told(1, 1, 0, read)


def rest_of(stream: Any) -> int:
    """The tokens that come before a stream fails, as it must."""
    read = 0
    try:
        for part in stream:
            read += sum(len(delta.token_ids) for delta in part.deltas)
    except grpc.RpcError:
        return read
    raise AssertionError("the stream ended well")


class Servers:
    """Servers on one database, and what its ledger says."""

    def __init__(self, made: Any, url: str) -> None:
        self._made = made
        self._url = url
        self.database = Database(open_engine(url))
        self.ledger = UsageLedger(self.database)

    def start(self, home: Path | None = None) -> Any:
        flags: dict[str, Any] = {"demo": False, "envoy": False, "home": home, "PANOPE_DATABASE_URL": self._url}
        if not self._url.startswith("sqlite"):
            flags["PANOPE_BACKEND"] = "cpu"  # which needs no conversion
        return self._made.start("--load", seeded_chat.NAME, **flags, **SETTINGS)

    def counts(self) -> UsageCounts:
        return next((found.counts for found in self.ledger.sums()), UsageCounts())

    def wait_for(self, requests: int) -> UsageCounts:
        end = time.monotonic() + 60
        while (counts := self.counts()).requests < requests:
            assert time.monotonic() < end, f"{counts.requests} of {requests} requests were counted in a minute"
            time.sleep(0.02)
        return counts


def stub_of(server: Any) -> Any:
    return pb_grpc.GenerateServiceStub(grpc.insecure_channel(server.grpc_address))


def answered(stubs: Sequence[Any], count: int) -> Told:
    """So many whole answers of all servers, several at a time."""
    told = Told()
    with ThreadPoolExecutor(4) as pool:
        for one in pool.map(lambda number: whole(stubs[number % len(stubs)], number), range(count)):
            told.add(one)
    return told


def assert_equal(counts: UsageCounts, told: Told) -> None:
    assert (counts.requests, counts.failed_requests) == (told.requests, told.failed)
    assert (counts.input_tokens, counts.output_tokens) == (told.input_tokens, told.output_tokens)


def journal_holds(server: Any) -> int:
    """The calls whose use a server has put into its journal."""
    try:
        document = json.loads((server.home / "usage-journal.json").read_text())
    except FileNotFoundError:
        return 0
    return sum(row[4]["requests"] for batch in document["batches"] for row in batch["rows"])


@pytest.fixture
def made(seeded_home: Path, tmp_path: Path, make_servers: Any) -> Iterator[Any]:
    servers = make_servers(seeded_home, tmp_path)
    yield servers
    servers.stop()


@pytest.mark.timeout(900)
def test_usage_is_the_sum_of_the_answers_over_cuts_and_the_death_of_worker_and_server(made: Any) -> None:
    home = made.folder / "home-0"
    url = f"sqlite:///{home / 'registry.sqlite3'}"
    server = made.start("--load", seeded_chat.NAME, demo=False, envoy=False, **SETTINGS)
    servers = Servers(made, url)
    with closing(servers.database):
        stub = stub_of(server)
        told = answered([stub], 24)
        assert_equal(servers.wait_for(told.requests), told)

        # Streams that their callers leave: what they had read counts, and what was on the way to them.
        for _ in range(3):
            stream, read = begun(stub, 20)
            stream.cancel()
            told.add(read)
        counts = servers.wait_for(told.requests)
        assert (counts.requests, counts.failed_requests) == (told.requests, told.failed)
        assert told.output_tokens <= counts.output_tokens < told.output_tokens + 3 * 2000

        # Streams that a worker's death cuts: everything that had come was delivered, and counts.
        before = counts.output_tokens
        streams = [begun(stub, 10) for _ in range(2)]
        (worker,) = server.workers()
        os.kill(worker.pid, signal.SIGKILL)
        delivered = 0
        for stream, read in streams:
            delivered += read.output_tokens + rest_of(stream)
        counts = servers.wait_for(told.requests + 2)
        assert counts.failed_requests == told.failed + 2
        assert counts.output_tokens - before == delivered
        prompt = counts.input_tokens - told.input_tokens
        assert prompt % 5 == 0, "each of the five that were cut has the same prompt"
        assert prompt > 0

        # A database that hangs, and a server that is killed meanwhile: the next has its journal.
        server.wait_ready(120)
        told = Told(counts.requests, counts.failed_requests, counts.input_tokens, counts.output_tokens)
        with servers.database.write():
            held = answered([stub], 6)
            server.wait(lambda: journal_holds(server) == held.requests, 60, "the journal")
            server.process.kill()
            server.process.wait()
        told.add(held)
        assert servers.counts().requests == told.requests - held.requests
        again = servers.start(home)
        assert_equal(servers.wait_for(told.requests), told)
        told.add(answered([stub_of(again)], 5))
        assert again.stop() == 0
        assert_equal(servers.counts(), told)
        assert not (home / "usage-journal.json").exists()
        assert counts.device_microseconds > 0


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_servers_on_one_database_count_each_answer_once_while_it_is_away_and_they_are_killed(
    made: Any, cable: tuple[Any, str], database_url: str
) -> None:
    line, url = cable
    servers = Servers(made, url)
    with closing(servers.database):
        both = [servers.start(home) for home in _homes(database_url, made.folder)]
        stubs = [stub_of(server) for server in both]
        told = answered(stubs, 40)
        assert_equal(servers.wait_for(told.requests), told)

        # Away for ten seconds, in which both go on answering.
        line.pull()
        back = threading.Timer(10, line.plug_in)
        back.start()
        told.add(answered(stubs, 60))
        back.join()
        assert_equal(servers.wait_for(told.requests), told)

        # Away, and one is killed and the other stopped meanwhile.
        line.pull()
        held = answered(stubs, 20)
        for server in both:
            server.wait(lambda server=server: journal_holds(server) == 10, 60, "the journal")
        both[0].process.kill()
        both[0].process.wait()
        assert both[1].stop() in (0, 1), "within the time that a stop may take"
        line.plug_in()
        told.add(held)
        for server in both:
            servers.start(server.home)
        assert_equal(servers.wait_for(told.requests), told)


def _homes(url: str, folder: Path) -> list[Path]:
    """Two homes of one database, each with the files of the seeded decoder."""
    source = folder / "source"
    source.mkdir()
    seeded_chat.write_seeded_chat(source)
    homes = [folder / "a", folder / "b"]
    for home in homes:
        with RegistrySession.open(url, home) as session:
            session.registry.import_folder(source, seeded_chat.NAME)
    return homes
