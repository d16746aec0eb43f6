"""Prompts go to a model that generates as it has slots, and none waits for another's grammar."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.api import GenerationRequest, Grammar, GrammarKind, SamplingParams, TokenDelta
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.task import TokenJob
from panope_backends.testing.echo_token_model import EchoTokenModel
from panope_backends.wire.frames import FrameDecoder
from panope_backends.worker.connection import Outbox
from panope_backends.worker.flow import Flow
from panope_backends.worker.requests import TokenRequest
from panope_backends.worker.step.executor import StepExecutor
from panope_backends.worker.step.queue import TokenQueue


class Texts(TokenJob):
    """Answers with the text of its one prompt."""

    def __init__(self, request: GenerationRequest) -> None:
        self.requests: Sequence[GenerationRequest] = [request]
        self._text = ""

    def take(self, index: int, delta: TokenDelta) -> None:
        self._text += delta.text

    def part(self) -> bytes | None:
        text, self._text = self._text, ""
        return text.encode()


class SlowGrammars(EchoTokenModel):
    """Takes a grammar when the test lets it."""

    honoured = EchoTokenModel.honoured | {"grammar"}

    def __init__(self) -> None:
        super().__init__({})
        self.compiled = threading.Event()
        self.is_valid = True

    def submit(self, request: GenerationRequest) -> None:
        if request.grammar is not None:
            self.compiled.wait(30)
            if not self.is_valid:
                raise InvalidInputError.at("grammar", "{field} is too complex")
        super().submit(request)


class Worker:
    """The executor over one model, and what the server hears."""

    def __init__(self, model: SlowGrammars) -> None:
        self.queue = TokenQueue(model)
        ours, theirs = self._sockets = socket.socketpair()
        theirs.settimeout(30)
        self._server, self._decoder, self._parts = theirs, FrameDecoder(), list[wire.Part]()
        self._thread = threading.Thread(target=StepExecutor(model, self.queue, Outbox(ours)).run, daemon=True)
        self._thread.start()

    def put(self, frame_id: int, text: str, grammar: Grammar | None = None) -> None:
        greedy = SamplingParams(temperature=0)
        job = Texts(GenerationRequest(0, prompt=text, sampling=greedy, grammar=grammar))
        self.queue.put(TokenRequest(frame_id, Flow(frame_id), "", time.perf_counter(), wire.Timing(), job=job))

    def last(self, frame_id: int) -> wire.Part:
        while not (found := [part for part in self._parts if part.id == frame_id and part.last]):
            for frame in self._decoder.feed(self._server.recv(1 << 16)):
                self._parts += wire.WorkerFrame.FromString(bytes(frame)).parts
        return found[0]

    def stop(self) -> None:
        self.queue.drain()
        self._thread.join(30)
        assert not self._thread.is_alive()
        for end in self._sockets:
            end.close()


@pytest.fixture
def model() -> SlowGrammars:
    return SlowGrammars()


@pytest.fixture
def worker(model: SlowGrammars) -> Iterator[Worker]:
    worker = Worker(model)
    yield worker
    model.compiled.set()
    worker.stop()


GRAMMAR = Grammar(GrammarKind.REGEX, "a")


def test_prompts_are_answered_while_a_grammar_compiles(worker: Worker, model: SlowGrammars) -> None:
    worker.put(1, "constrained", GRAMMAR)
    worker.put(2, "free")
    assert not worker.last(2).HasField("failure")
    model.compiled.set()
    assert not worker.last(1).HasField("failure")


def test_a_grammar_that_is_refused_fails_its_own_request(worker: Worker, model: SlowGrammars) -> None:
    model.is_valid = False
    worker.put(1, "constrained", GRAMMAR)
    model.compiled.set()
    worker.put(2, "free")
    assert worker.last(1).failure.field == "grammar"
    assert not worker.last(2).HasField("failure")


def test_a_request_that_is_cancelled_while_its_grammar_compiles_is_dropped(worker: Worker, model: SlowGrammars) -> None:
    worker.put(1, "constrained" * 20, GRAMMAR)
    worker.queue.cancel(1)
    model.compiled.set()
    worker.put(2, "free")
    assert not worker.last(2).HasField("failure")
