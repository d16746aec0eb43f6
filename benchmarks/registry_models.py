"""Repos for the registry's benchmark, and the hub that serves them: `registry_models.py COUNT`.

Real configurations of sixteen families with tiny seeded weights, each repo with weights and a name of its own. Prints
the hub's address; ends when its input does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from panope_registry.testing import HubStandIn
from panope_registry.testing.families import FAMILIES, build

VENDORS = 20


def name_of(number: int) -> str:
    """VENDOR/NAME of a repo, of `VENDORS` vendors in turn."""
    family = FAMILIES[number % len(FAMILIES)].name
    return f"vendor{number % VENDORS:02}/{family}-{number:05}"


@contextmanager
def models_process(count: int) -> Iterator[str]:
    """Serves so many repos while the block lasts; yields the hub's address."""
    command = [sys.executable, __file__, str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def repos(count: int) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Name -> files."""
    with tempfile.TemporaryDirectory() as folder:
        families = [build(family, Path(folder) / family.name) for family in FAMILIES]
        files = [{path.name: path.read_bytes() for path in sorted(each.iterdir())} for each in families]
    for number in range(count):
        name, made = name_of(number), dict(files[number % len(files)])
        config = json.loads(made["config.json"]) | {"_name_or_path": name}
        made["config.json"] = json.dumps(config, indent=2).encode()
        # The last weights of each are its own, so that no two repos share them.
        made["model.safetensors"] = made["model.safetensors"][:-8] + number.to_bytes(8, "little")
        made["README.md"] = f"# {name}\n".encode()
        yield name, made


def main() -> None:
    with HubStandIn() as hub:
        for name, files in repos(int(sys.argv[1])):
            hub.add(name, files)
        print(hub.endpoint, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
