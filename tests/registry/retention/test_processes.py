"""Several processes at once: users take leases, others remove and bring back, and nobody loses what they use."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from panope_registry.registry import Registry, VariantEntry
from panope_registry.retention.retention import RetentionManager

AddModel = Callable[..., VariantEntry]

USE = """
import sys
from pathlib import Path
from panope_backends.errors import PreconditionError
from panope_registry.retention.retention import RetentionManager
from panope_registry.session import RegistrySession
session = RegistrySession.open(sys.argv[1], Path(sys.argv[2]))
registry = session.registry
retention = RetentionManager(session.database, session.store)
print("ready", flush=True)
sys.stdin.readline()
used = away = 0
while used < 10:  # those who disturb end with an import, so the files are here in the end
    try:
        lease = retention.lease(sys.argv[3], "user", 60)
    except PreconditionError:
        away += 1
        continue
    view = registry.materialize(sys.argv[3])
    assert (view / "model.safetensors").read_bytes()
    used += 1
    retention.release(lease)
session.close()
print(used, away)
"""

DISTURB = """
import sys
from pathlib import Path
from panope_backends.errors import PreconditionError
from panope_registry.retention.retention import RetentionManager
from panope_registry.session import RegistrySession
session = RegistrySession.open(sys.argv[1], Path(sys.argv[2]))
registry = session.registry
retention = RetentionManager(session.database, session.store)
print("ready", flush=True)
sys.stdin.readline()
evicted = refused = 0
for _ in range(15):
    try:
        evicted += len(retention.evict(variants=[sys.argv[3]]).variants)
    except PreconditionError:
        refused += 1
    retention.collect()
    registry.import_folder(Path(sys.argv[4]), "v/a")
session.close()
print(evicted, refused)
"""


def _start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _race(processes: list[subprocess.Popen[str]]) -> list[list[int]]:
    """Lets them begin together; the numbers that each printed."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    printed = [[int(word) for word in process.communicate()[0].split()] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return printed


def test_whoever_has_a_lease_has_the_files_while_others_evict_collect_and_import(
    database_url: str,
    home: Path,
    registry: Registry,
    retention: RetentionManager,
    add_model: AddModel,
    make_model: Callable[..., Path],
) -> None:
    variant = add_model("v/a", 1, from_hub=False)
    folder = make_model("again", fill=1)
    users = [_start(USE, database_url, home, variant.digest) for _ in range(2)]
    disturbers = [_start(DISTURB, database_url, home, variant.digest, folder) for _ in range(2)]
    printed = _race(users + disturbers)
    assert [used for used, _ in printed[:2]] == [10, 10]
    assert sum(evicted for evicted, _ in printed[2:]) > 0, "nothing was evicted"
    assert registry.materialize(variant.digest).is_dir()
    collected = retention.collect()
    assert (collected.missing, collected.removed) == ((), ())
