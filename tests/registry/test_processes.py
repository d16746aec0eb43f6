"""Several processes, and processes that are killed: nothing half done is ever seen."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from panope_backends.errors import NotFoundError
from panope_registry.registry import ModelEntry, Registry
from panope_registry.session import RegistrySession
from panope_registry.store.store import Store

MakeModel = Callable[..., Path]
KillAt = Callable[[int], bool]

IMPORT = """
import sys
from pathlib import Path
from panope_registry.session import RegistrySession
session = RegistrySession.open(sys.argv[1], Path(sys.argv[2]))
registry = session.registry
print("ready", flush=True)
sys.stdin.readline()
for folder in sys.argv[3:]:
    print(registry.import_folder(Path(folder), "v/m").variants[0].digest, flush=True)
session.close()
"""


@pytest.fixture
def kill_at(database_url: str, home: Path, tmp_path: Path) -> Iterator[KillAt]:
    """Imports `new` in a process that is killed at a step; tells whether it was."""
    program = Path(__file__).parent / "kill_program.py"
    command = [sys.executable, str(program), database_url, str(home), str(tmp_path / "new")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def kill(step: int) -> bool:
            print(step, file=process.stdin, flush=True)
            answer = process.stdout.readline().strip()
            assert answer in ("killed", "finished")
            return answer == "killed"

        yield kill
        process.stdin.close()


def _model(registry: Registry) -> ModelEntry | None:
    try:
        return registry.model("v/m")
    except NotFoundError:
        return None


@pytest.mark.parametrize("apart", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_an_import_killed_at_any_step_leaves_the_old_or_the_new_and_nothing_between(
    registry: Registry, database_url: str, home: Path, make_model: MakeModel, kill_at: KillAt, apart: int
) -> None:
    old = registry.import_folder(make_model("old"), "v/m")
    make_model("new", fill=1)
    outcomes = []
    for step in range(1, 1000, apart):
        killed = kill_at(step)
        entry = registry.model("v/m")
        outcomes.append(entry == old)
        view = registry.materialize(entry.variants[0].digest)
        weights = view / "model.safetensors"
        expected = "old" if entry == old else "new"
        assert weights.read_bytes() == (home.parent / expected / "model.safetensors").read_bytes()
        if not killed:
            break
    steps = 60 if database_url.startswith("sqlite") else 20
    assert len(outcomes) > steps // apart, "the steps were not counted"
    assert outcomes == sorted(outcomes, reverse=True), "a later step lost what an earlier one had"
    assert outcomes[0]
    assert not outcomes[-1]
    assert registry.import_folder(home.parent / "new", "v/m") == entry


def test_what_killed_processes_leave_is_swept_by_the_next_start(
    home: Path, make_model: MakeModel, kill_at: KillAt, registry: Registry, database_url: str
) -> None:
    make_model("new")
    apart = 10 if database_url.startswith("sqlite") else 5
    work = home / "store" / "work"
    left = 0
    for step in range(apart, 6 * apart, apart):
        assert kill_at(step)
        left = max(left, len(list(work.iterdir())))
    assert left > 0
    with Store(home / "store").staging() as mine:
        Store(home / "store")
        assert mine.exists(), "the folder of a living writer was swept"
        assert list(work.iterdir()) != []
    Store(home / "store")
    assert list(work.iterdir()) == []
    assert _model(registry) is None


def _start(database_url: str, home: Path, *folders: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", IMPORT, database_url, str(home), *map(str, folders)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _race(processes: list[subprocess.Popen[str]]) -> list[list[str]]:
    """Lets them begin together; what each printed."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    printed = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return printed


def test_processes_that_import_the_same_folder_at_once_agree(
    database_url: str, home: Path, make_model: MakeModel
) -> None:
    folder = make_model()
    printed = _race([_start(database_url, home, folder, folder, folder) for _ in range(3)])
    session = RegistrySession.open(database_url, home)
    registry = session.registry
    (variant,) = registry.model("v/m").variants
    assert printed == [[variant.digest] * 3] * 3
    view = registry.materialize(variant.digest)
    assert (view / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    session.close()


def test_processes_that_import_different_content_leave_one_whole_model(
    database_url: str, home: Path, make_model: MakeModel
) -> None:
    folders = [make_model(f"m{n}", fill=n) for n in range(3)]
    _race([_start(database_url, home, folder) for folder in folders])
    session = RegistrySession.open(database_url, home)
    registry = session.registry
    view = registry.materialize(registry.model("v/m").variants[0].digest)
    assert (view / "model.safetensors").read_bytes() in [(f / "model.safetensors").read_bytes() for f in folders]
    session.close()


def test_several_processes_open_a_new_home_at_once(empty_database_url: str, home: Path, make_model: MakeModel) -> None:
    folder = make_model()
    processes = [_start(empty_database_url, home, folder) for _ in range(3)]
    assert len({line for (line,) in _race(processes)}) == 1
    assert len({path.read_text() for path in (home / "store").glob("id*")}) == 1


def test_a_copied_home_works_where_it_is_now(database_url: str, home: Path, make_model: MakeModel) -> None:
    session = RegistrySession.open(database_url, home)
    registry = session.registry
    (variant,) = registry.import_folder(make_model(), "v/m").variants
    registry.materialize(variant.digest)
    session.close()
    moved = home.with_name("moved")
    shutil.copytree(home, moved)
    shutil.rmtree(home)
    session = RegistrySession.open(database_url, moved)
    registry = session.registry
    assert moved in registry.materialize(variant.digest).parents
    session.close()


LOOK = """
import json, sys
from pathlib import Path
from panope_registry.session import RegistrySession
session = RegistrySession.open(sys.argv[1], Path(sys.argv[2]))
registry = session.registry
registry.model("v/m")
session.close()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules} | ({"sqlalchemy.orm"} & sys.modules.keys()))))
"""


def test_looking_at_models_imports_nothing_heavy(database_url: str, home: Path, make_model: MakeModel) -> None:
    session = RegistrySession.open(database_url, home)
    registry = session.registry
    registry.import_folder(make_model(), "v/m")
    session.close()
    printed = subprocess.run(
        [sys.executable, "-c", LOOK, database_url, str(home)], capture_output=True, text=True, check=True
    ).stdout
    heavy = {"alembic", "numpy", "torch", "transformers", "grpc", "sqlalchemy.orm"}
    assert heavy.isdisjoint(json.loads(printed))
