"""The file of results: one line for each class, so that changes are seen line by line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from panope_backends.testing.architectures import Entry
from sweeping.trial import Outcome

FILE = Path(__file__).resolve().parents[3] / "registry/panope_registry/catalogue/catalogue.json"

_LIBRARIES = ("transformers", "torch", "openvino")


class Results:
    """What is known of each class.

    Args:
        file: that holds it; it need not exist.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._versions = {name: version(name) for name in _LIBRARIES}
        held = json.loads(file.read_text()) if file.exists() else {"versions": self._versions, "architectures": []}
        fresh = held["versions"] == self._versions
        self._lines = {(each["type"], each["task"]): each for each in held["architectures"]} if fresh else {}

    def lacks(self, kind: str, task: str, *, failed: bool, because: str) -> bool:
        """Whether a class is to be tried."""
        known = self._lines.get((kind, task))
        if known is None:
            return True
        return not known["serves"] and (failed or (bool(because) and because in known.get("reason", "")))

    def add(self, entry: Entry, task: str, outcome: Outcome, supports: Mapping[str, list[str]]) -> None:
        """Takes what became of a class, and what backends say of it."""
        told = asdict(outcome)
        if not told["reason"]:
            del told["reason"]
        named = {"type": entry.model_type, "task": task, "class": entry.class_name}
        self._lines[entry.model_type, task] = {**named, **told, "backends": dict(supports)}

    def renew(self, entry: Entry, task: str, supports: Mapping[str, list[str]]) -> None:
        """Takes what backends say of a class that is known."""
        if (entry.model_type, task) in self._lines:
            self._lines[entry.model_type, task]["backends"] = dict(supports)

    def keep(self, known: set[tuple[str, str]]) -> None:
        """Forgets all others."""
        self._lines = {key: line for key, line in self._lines.items() if key in known}

    def totals(self) -> dict[str, int]:
        """Architectures, by the best of their tasks."""
        return {
            name: len({line["type"] for line in self._lines.values() if line[name]})
            for name in ("recognised", "loads", "serves")
        }

    def write(self) -> None:
        """Writes the file, and puts it in place whole."""
        lines: list[dict[str, Any]] = [self._lines[key] for key in sorted(self._lines)]
        rows = ",\n".join("  " + json.dumps(line, ensure_ascii=False) for line in lines)
        head = json.dumps({"versions": self._versions, "totals": self.totals()}, indent=1)[:-2]
        made = self._file.with_suffix(".new")
        self._file.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(f'{head},\n "architectures": [\n{rows}\n ]\n}}\n')
        made.replace(self._file)
