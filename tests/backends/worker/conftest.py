"""A worker process and the server's end of its socket, synchronous."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from google.protobuf.message import Message
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from panope.worker.v1 import embed_pb2, tensors_pb2, tokenize_pb2
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.testing.models import keep_tokenizer
from panope_backends.wire.frames import FrameDecoder, encode_frame

HERE = Path(__file__).parent
FAILING_WORDS = ("boom", "nan", "crowd", "picky", "stop", "crash", "hang")
WORDS = ("a", "trial", "run", *FAILING_WORDS, *(f"w{number}" for number in range(200)))
READ_SECONDS = 60.0


class Received:
    """What a worker said: a frame of its own, or one part of an answer.

    Attributes:
        kind: `ready`, `failure`, or the task that the part is an output of.
    """

    def __init__(self, frame: wire.WorkerFrame, part: wire.Part | None = None, task: str = "") -> None:
        self.ready, self.id = frame.ready, part.id if part else 0
        self.failure = part.failure if part else frame.failure
        self.timing = part.timing if part else wire.Timing()
        self.has_timing = part is not None and part.HasField("timing")
        self.device_microseconds = part.device_microseconds if part else 0
        self.last = part is not None and part.last
        self.output = part.output if part else b""
        self.kind = frame.WhichOneof("body")
        if part is not None:
            self.kind = task if part.WhichOneof("body") == "output" else part.WhichOneof("body")

    @property
    def embed(self) -> embed_pb2.EmbedOutput:
        return embed_pb2.EmbedOutput.FromString(self.output)

    @property
    def facts(self) -> embed_pb2.EmbedFacts:
        return embed_pb2.EmbedFacts.FromString(self.ready.facts)

    @property
    def tensors(self) -> tensors_pb2.TensorOutput:
        return tensors_pb2.TensorOutput.FromString(self.output)

    @property
    def tokenize(self) -> tokenize_pb2.TokenizeOutput:
        return tokenize_pb2.TokenizeOutput.FromString(self.output)

    @property
    def detokenize(self) -> tokenize_pb2.DetokenizeOutput:
        return tokenize_pb2.DetokenizeOutput.FromString(self.output)


class WorkerDriver:
    """What the server does with a worker, one blocking step at a time."""

    def __init__(self, stderr: IO[bytes], *arguments: str) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(READ_SECONDS)
        self.heartbeats: list[wire.Heartbeat] = []
        self._stderr = stderr
        self._decoder = FrameDecoder()
        self._frames: list[bytes] = []
        self._received: list[Received] = []
        self._tasks: dict[int, str] = {}
        self._last_id = 0
        fd = theirs.fileno()
        path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "panope_backends.worker", "--fd", str(fd), *arguments],
            pass_fds=(fd,),
            stdin=subprocess.DEVNULL,
            stderr=stderr,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"},
        )
        theirs.close()

    def send(self, frame: wire.ServerFrame) -> int:
        """Sends a frame and returns its id, the next one when it has none."""
        if not frame.id and frame.WhichOneof("body") not in ("load", "drain"):
            self._last_id += 1
            frame.id = self._last_id
        self.socket.sendall(encode_frame(frame))
        return frame.id

    def receive(self) -> Received:
        """The next part, or the next frame of the worker's own that is no heartbeat; EOFError at the end."""
        while not self._received:
            while not self._frames:
                data = self.socket.recv(1 << 18)
                if not data:
                    raise EOFError
                self._frames += self._decoder.feed(data)
            frame = wire.WorkerFrame.FromString(self._frames.pop(0))
            if frame.WhichOneof("body") == "heartbeat":
                self.heartbeats.append(frame.heartbeat)
            elif frame.parts:
                self._received += [Received(frame, part, self._tasks[part.id]) for part in frame.parts]
            else:
                self._received.append(Received(frame))
        return self._received.pop(0)

    def wait_for_heartbeat(self) -> wire.Heartbeat:
        """The next heartbeat; frames with answers are not expected meanwhile."""
        seen = len(self.heartbeats)
        while len(self.heartbeats) == seen:
            data = self.socket.recv(1 << 18)
            for message in self._decoder.feed(data):
                frame = wire.WorkerFrame.FromString(message)
                assert frame.WhichOneof("body") == "heartbeat", frame
                self.heartbeats.append(frame.heartbeat)
        return self.heartbeats[-1]

    def embed(self, *texts: str, request_id: str = "", **fields: object) -> int:
        """Asks for vectors without waiting for them."""
        message = embed_pb2.EmbedInput(texts=texts, **{"truncation": "refuse", **fields})  # type: ignore[arg-type] # any
        return self.request("embed", message, request_id=request_id)

    def request(self, task: str, message: Message | bytes, *, request_id: str = "") -> int:
        """Sends a request without waiting for its answer; its id."""
        data = message if isinstance(message, bytes) else message.SerializeToString()
        self._tasks[self._last_id + 1] = task
        return self.send(wire.ServerFrame(request=wire.Request(task=task, input=data), request_id=request_id))

    def ask(self, task: str, message: Message | bytes) -> Received:
        """Sends a request and waits for its answer, or the first part of it."""
        frame_id = self.request(task, message)
        answer = self.receive()
        assert answer.id == frame_id
        return answer

    def drain(self) -> None:
        self.send(wire.ServerFrame(drain=wire.Drain()))

    def exit_code(self) -> int:
        return self.process.wait(timeout=READ_SECONDS)

    def log(self) -> str:
        """What the worker has written to its log."""
        self._stderr.seek(0)
        return self._stderr.read().decode()

    def log_lines(self, event: str) -> list[dict[str, object]]:
        """The lines of one event."""
        lines = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.close()
        self.process.kill()
        self.process.wait()


def vectors_of(frame: Received) -> np.ndarray:
    """The vectors of an answer, one a row."""
    assert frame.kind == "embed", frame.failure
    return np.frombuffer(frame.embed.vectors, "<f4").reshape(-1, frame.embed.dimensions)


@pytest.fixture
def vectors() -> Callable[[Received], np.ndarray]:
    return vectors_of


def message_of_failure(failure: wire.Failure) -> str:
    """The sentence of a failure, its fields in the protocol's words."""
    return "".join(f"`{piece.field}`" if piece.HasField("field") else piece.text for piece in failure.sentence)


@pytest.fixture
def message_of() -> Callable[[wire.Failure], str]:
    return message_of_failure


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., WorkerDriver]]:
    """Starts worker programs that have not been told what to load; none outlives the test."""
    drivers: list[WorkerDriver] = []
    with contextlib.ExitStack() as logs:

        def start(*arguments: str) -> WorkerDriver:
            stderr = logs.enter_context((tmp_path / f"worker-{len(drivers)}.log").open("w+b"))
            drivers.append(WorkerDriver(stderr, *arguments))
            return drivers[-1]

        yield start
        for driver in drivers:
            driver.kill()


@pytest.fixture
def start(
    spawn: Callable[..., WorkerDriver], word_model: Path, gates: Path
) -> Callable[..., tuple[WorkerDriver, Received]]:
    """Starts a worker on a model and waits for `ready`, or for why not."""

    def started(
        backend: str = "panope_backends.testing:EchoBackend", **fields: object
    ) -> tuple[WorkerDriver, Received]:
        worker = spawn()
        settings: dict[str, object] = {
            "model": "test/words",
            "task": "embed",
            "backend": backend,
            "device": "CPU",
            "format": "safetensors",
            "folder": str(word_model),
            "cache_folder": str(gates),
            "max_batch_tokens": 4096,
            "max_batch_size": 32,
        }
        worker.send(wire.ServerFrame(load=wire.Load(**{**settings, **fields})))  # type: ignore[arg-type] # any field
        return worker, worker.receive()

    return started


@pytest.fixture
def gates(tmp_path: Path) -> Path:
    """The pipes of GateBackend: `stopped` is written by the worker, `go` by the test."""
    folder = tmp_path / "gates"
    folder.mkdir()
    os.mkfifo(folder / "stopped")
    os.mkfifo(folder / "go")
    return folder


@pytest.fixture(scope="session")
def word_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder whose tokens are words: mean pooling, not normalised, at most 64 tokens, two prompts."""
    folder = tmp_path_factory.mktemp("word-model")
    vocabulary = {word: index for index, word in enumerate(("[PAD]", "[CLS]", "[SEP]", "[UNK]", *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.add_special_tokens(["[PAD]", "[CLS]", "[SEP]", "[UNK]"])
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    files = {
        "config.json": {
            "model_type": "bert",
            "architectures": ["BertModel"],
            "vocab_size": len(vocabulary),
            "max_position_embeddings": 64,
            "words": {word: vocabulary[word] for word in FAILING_WORDS},
            "crash_token_id": vocabulary["crash"],
            "hang_token_id": vocabulary["hang"],
        },
        "tokenizer_config.json": {"pad_token": "[PAD]", "model_max_length": 64},
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        ],
        "1_Pooling/config.json": {"pooling_mode_mean_tokens": True},
        "config_sentence_transformers.json": {"prompts": {"query": "w1 w2 ", "empty": ""}},
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    keep_tokenizer(folder, max_tokens=64)
    return folder


def echo_vector(text: str, dimensions: int = 8) -> np.ndarray:
    """What EchoBackend makes of a text of the word model: the mean of its tokens."""
    vocabulary = {word: index + 4 for index, word in enumerate(WORDS)}
    ids = np.array([1, *(vocabulary[word] for word in text.split()), 2], dtype=np.float32)
    return np.sin(ids[:, None] * np.arange(1, dimensions + 1, dtype=np.float32)).mean(axis=0)


@pytest.fixture
def expected() -> Callable[[str], np.ndarray]:
    return echo_vector


@pytest.fixture(scope="session")
def thorny_model(word_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The word model with a tokenizer whose expressions backtrack: 30 times `a` takes a minute, 40 times panic."""
    folder = tmp_path_factory.mktemp("thorny-model") / "model"
    shutil.copytree(word_model, folder)
    path = folder / "tokenizer.json"
    document = json.loads(path.read_text())
    thorn = {"type": "Split", "pattern": {"Regex": "(a|aa)+x"}, "behavior": "Isolated", "invert": False}
    pre_tokenizers = [*[thorn] * 200, document["pre_tokenizer"]]
    document["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": pre_tokenizers}
    path.write_text(json.dumps(document))
    keep_tokenizer(folder, max_tokens=64)
    return folder
