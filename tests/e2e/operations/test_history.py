"""What callers saw of a server whose workers die: each call one outcome, right answers, and usage that is their sum."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from panope.v1 import embed_service_pb2 as embed_pb
from panope.v1 import embed_service_pb2_grpc, generate_service_pb2_grpc
from panope.v1 import generate_service_pb2 as generate_pb
from panope.v1 import generation_pb2 as generation
from panope_backends.testing.echo_upstream import MODEL, EchoUpstream
from panope_client import Client, Job, Upstream
from panope_registry.serving_records.usage import UsageFilter
from panope_registry.session import RegistrySession

VECTORS, WORDS = "acme/vectors", "acme/words"
CALLERS = 6
SECONDS = 60
#: A prompt of ten bytes comes back, and the end is a token too.
TOKENS = 11
#: What may be told of a call whose worker dies, or that its caller gives up; all else is a failure of the server's.
LOST = {"UNAVAILABLE", "ABORTED", "INTERNAL", "RESOURCE_EXHAUSTED"}
GIVEN_UP = {"CANCELLED", "DEADLINE_EXCEEDED"}


@dataclass
class Entry:
    """One call.

    Attributes:
        kind: what was called, and how its caller meant it to end.
        outcomes: OK, or the code of its error; there must be one.
        tokens: that came of an answer.
        is_right: whether the answer, as far as it came, is the model's.
        seconds: that it took.
    """

    kind: str
    outcomes: list[str] = field(default_factory=list)
    tokens: int = 0
    is_right: bool = True
    seconds: float = 0.0


class History:
    """Calls of several callers at once."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._embed = embed_service_pb2_grpc.EmbedServiceStub(channel)
        self._generate = generate_service_pb2_grpc.GenerateServiceStub(channel)
        self._numbers = count()
        self._vectors: dict[str, bytes] = {}
        self._stop = threading.Event()
        self.entries: list[Entry] = []

    def run(self, is_over: Callable[[list[Entry]], bool], fault: Callable[[], None], every: float) -> None:
        """Lets callers call, with a fault from time to time, until it is over."""
        threads = [threading.Thread(target=self._caller, args=(seed,)) for seed in range(CALLERS)]
        for thread in threads:
            thread.start()
        while not is_over(self.entries):
            time.sleep(every)
            fault()
        self._stop.set()
        for thread in threads:
            thread.join(2 * SECONDS)
            assert not thread.is_alive(), "a call has no outcome"

    def _caller(self, seed: int) -> None:
        drawn = random.Random(seed)
        kinds = [self._embeds, self._generates, self._streams, self._leaves, self._hurries]
        while not self._stop.is_set():
            call = drawn.choice(kinds)
            entry = Entry(call.__name__.strip("_"))
            began = time.monotonic()
            try:
                call(entry)
                entry.outcomes.append("OK")
            except grpc.RpcError as error:
                entry.outcomes.append(error.code().name)
            except Exception as error:  # a defect of the test or of an answer, told by the assertions
                entry.outcomes.append(repr(error))
            entry.seconds = time.monotonic() - began
            self.entries.append(entry)

    def _embeds(self, entry: Entry) -> None:
        texts = [f"text {number % 20}" for number in (next(self._numbers), next(self._numbers))]
        answer = self._embed.Embed(embed_pb.EmbedRequest(model=VECTORS, texts=texts), timeout=SECONDS)
        size = len(answer.vectors) // 2
        found = [bytes(answer.vectors[:size]), bytes(answer.vectors[size:])]
        entry.is_right = all(
            self._vectors.setdefault(text, vector) == vector for text, vector in zip(texts, found, strict=True)
        )

    def _generates(self, entry: Entry, timeout: float = SECONDS) -> None:
        prompt = self._prompt()
        answer = self._generate.Generate(self._request(prompt), timeout=timeout)
        entry.is_right = answer.completions[0].text == prompt
        entry.tokens = TOKENS

    def _hurries(self, entry: Entry) -> None:
        self._generates(entry, timeout=0.02)

    def _streams(self, entry: Entry, most: int = 1 << 30) -> None:
        prompt = self._prompt()
        call = self._generate.StreamGenerate(
            generate_pb.StreamGenerateRequest(request=self._request(prompt)), timeout=SECONDS
        )
        text = ""
        for delta in self._deltas(call):
            text += delta.text
            entry.is_right = prompt.startswith(text)
            if len(text) >= most:
                call.cancel()
        entry.is_right &= text == prompt
        entry.tokens = TOKENS

    def _leaves(self, entry: Entry) -> None:
        self._streams(entry, most=3)

    @staticmethod
    def _deltas(call: Any) -> Iterator[Any]:
        for part in call:
            yield from part.deltas

    def _prompt(self) -> str:
        return f"{next(self._numbers):010d}"

    @staticmethod
    def _request(prompt: str) -> generate_pb.GenerateRequest:
        options = generation.GenerationOptions(max_tokens=100, sampling=generation.SamplingParams(temperature=0))
        return generate_pb.GenerateRequest(model=WORDS, prompts=[prompt], options=options)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("calls", "kills"), [(150, 1), pytest.param(3000, 4, marks=pytest.mark.slow)], ids=["short", "long"]
)
def test_each_call_has_one_outcome_and_usage_is_the_sum_of_the_answers(
    empty_servers: Any, calls: int, kills: int
) -> None:
    with EchoUpstream() as upstream:
        remote = {"PANOPE_REMOTE_ALLOWED_HOSTS": "127.0.0.1", "PANOPE_REMOTE_PRIVATE_ADDRESSES": "true"}
        server = empty_servers.start(demo=False, envoy=False, **remote)
        register(server, upstream)
        killed = Counter[str]()

        def kill() -> None:
            if killed["workers"] < kills and server.workers():
                victim = random.Random(len(killed)).choice(server.workers())
                try:
                    victim.kill()
                except psutil.NoSuchProcess:
                    return
                killed["workers"] += 1

        with grpc.insecure_channel(server.grpc_address) as channel:
            history = History(channel)
            history.run(lambda entries: len(entries) >= calls and killed["workers"] >= kills, kill, every=0.5)
        assert server.stop() == 0, server.log()[-3000:]
    entries = history.entries
    outcomes = Counter((entry.kind, *entry.outcomes) for entry in entries)
    sys.stderr.write(f"{len(entries)} calls, {killed['workers']} workers killed: {dict(outcomes)}\n")
    assert {len(entry.outcomes) for entry in entries} == {1}
    assert all(entry.is_right for entry in entries if entry.outcomes == ["OK"])
    assert {entry.outcomes[0] for entry in entries} <= {"OK"} | LOST | GIVEN_UP
    assert all(entry.seconds < SECONDS + 2 for entry in entries), "no call outlives its deadline"
    for model in (VECTORS, WORDS):
        assert_counted(
            server.home, model, [entry for entry in entries if (entry.kind == "embeds") == (model == VECTORS)]
        )


def register(server: Any, upstream: EchoUpstream) -> None:
    """Registers two models of the server elsewhere, one for each task."""
    with Client(server.grpc_address) as client:
        for name, task in ((VECTORS, "embed"), (WORDS, "generate")):
            there = Upstream(url=upstream.url, protocol="vllm", model=MODEL)
            job = client.register(name, upstream=there, task_hints=[task])
            server.wait(lambda job=job: client.job(job.id).status == Job.STATUS_SUCCEEDED, 60, "registration")
            client.load(name)


def assert_counted(home: Path, model: str, entries: list[Entry]) -> None:
    """Each call that came in counts once; what a caller gave up may have been answered all the same."""
    with RegistrySession.open(home / "registry.sqlite3", home) as session:
        (told,) = session.usage.sums(UsageFilter(model=model))
    good = [entry for entry in entries if entry.outcomes == ["OK"]]
    doubtful = [entry for entry in entries if entry.outcomes[0] in GIVEN_UP]
    counts = told.counts
    succeeded = counts.requests - counts.failed_requests
    assert len(good) <= succeeded <= len(good) + len(doubtful)
    assert len(entries) - len(doubtful) <= counts.requests <= len(entries)
    if model == WORDS:
        lost = len(entries) - len(good)  # of a stream whose worker died some had come
        tokens = sum(entry.tokens for entry in good)
        assert tokens <= counts.output_tokens <= tokens + lost * TOKENS
