"""Repos for the registry's benchmark: real configurations of sixteen families with tiny seeded weights.

Each repo has weights and a name of its own.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from panope_registry.testing.families import FAMILIES, build

VENDORS = 20


def name_of(number: int) -> str:
    """VENDOR/NAME of a repo, of `VENDORS` vendors in turn."""
    family = FAMILIES[number % len(FAMILIES)].name
    return f"vendor{number % VENDORS:02}/{family}-{number:05}"


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
