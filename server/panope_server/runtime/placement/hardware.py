"""The devices of this machine, as the backends see them.

Asking an engine means importing it, so a probe program does it and its answer is kept in the home folder until a
package, the processor or a variable that hides devices changes.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import orjson

from panope_backends.api import Conversion, Device, Level, ModelFacts, Support
from panope_server.config import Settings
from panope_server.runtime.processes.environment import PASSED
from panope_server.runtime.processes.programs import run_program

PROBE = "panope_backends.programs.probe"
PROBE_TIMEOUT_SECONDS = 120.0

#: Raised when the probe answers in another form.
ANSWERS = 5

#: Programs of others that converters look for.
PROGRAMS = ("llama-quantize",)


@dataclass(frozen=True)
class BackendVersions:
    """The versions of a backend.

    Attributes:
        version: of its package; empty for a backend that is not installed.
        api_version: of the contract that it was written for; 0 when it could not be loaded.
    """

    version: str
    api_version: int


@dataclass(frozen=True)
class Probe:
    """What the backends said of this machine.

    Attributes:
        devices: best first.
        conversions: by backend; also those that cannot be done here, with the reason.
        backends: by name, those that could not be loaded too.
    """

    devices: tuple[Device, ...]
    conversions: Mapping[str, tuple[Conversion, ...]]
    backends: Mapping[str, BackendVersions] = field(default_factory=dict)


class Hardware:
    """Asks the backends, each question once.

    Args:
        cache_file: where answers are kept.
        extra_backends: backends beside the installed ones, as `module:Class`.
        python: the workers' interpreter; empty for the server's own.
    """

    def __init__(self, cache_file: Path, extra_backends: Sequence[str] = (), python: str = "") -> None:
        self._cache_file = cache_file
        self._extra = [flag for backend in extra_backends for flag in ("--backend", backend)]
        self._python = python
        self._key = ""
        self._answers: dict[str, Any] = {}
        self._lock = asyncio.Lock()

    @classmethod
    def for_settings(cls, settings: Settings) -> Hardware:
        """Keeps its answers in the home folder and knows a backend that the settings name as `module:Class`."""
        extra = [settings.backend] if ":" in settings.backend else []
        return cls(settings.home_path / "hardware.json", extra, settings.workers.python)

    def kept_devices(self) -> Sequence[Device]:
        """The devices as they were last found, without asking for them; empty when nobody has asked yet."""
        _, answers = self._read()
        return _probe_of(answers["probe"]).devices if "probe" in answers else ()

    async def probe(self) -> Probe:
        """The devices, best first, and what can be converted."""
        return _probe_of(await self._ask("probe", [], None))

    async def supports(self, facts: ModelFacts) -> Mapping[tuple[str, str], Support]:
        """How well each device runs a model, by backend and device name."""
        document = asdict(facts) | {"config": dict(facts.config)}
        question = hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
        answer = await self._ask(question, ["--supports"], document)
        return {
            (entry["backend"], entry["name"]): Support(
                Level(entry["level"]), entry["support_reason"], entry["support_is_final"]
            )
            for entry in answer["devices"]
            if "level" in entry
        }

    async def _ask(self, question: str, flags: list[str], document: Any) -> Any:
        async with self._lock:
            if not self._key:
                self._key, self._answers = await asyncio.to_thread(self._read)
            if question not in self._answers:
                self._answers[question] = await run_program(
                    PROBE,
                    *flags,
                    *self._extra,
                    document=document,
                    timeout_seconds=PROBE_TIMEOUT_SECONDS,
                    python=self._python,
                )
                await asyncio.to_thread(self._write)
        return self._answers[question]

    def _read(self) -> tuple[str, dict[str, Any]]:
        key = _machine_key([*self._extra, self._python])
        try:
            kept = orjson.loads(self._cache_file.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return key, {}
        return key, kept["answers"] if kept.get("key") == key else {}

    def _write(self) -> None:
        if not self._cache_file.parent.is_dir():
            return  # whoever only looks at the machine begins no home
        temporary = self._cache_file.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(orjson.dumps({"key": self._key, "answers": self._answers}))
        temporary.replace(self._cache_file)


def _probe_of(answer: Mapping[str, Any]) -> Probe:
    names = Device.__dataclass_fields__
    devices = [{name: value for name, value in entry.items() if name in names} for entry in answer["devices"]]
    return Probe(
        devices=tuple(Device(**entry | {"precisions": tuple(entry["precisions"])}) for entry in devices),
        conversions={
            backend: msgspec.convert(offered, tuple[Conversion, ...])
            for backend, offered in answer["conversions"].items()
        },
        backends=msgspec.convert(answer["backends"], dict[str, BackendVersions]),
    )


def _machine_key(more: Sequence[str]) -> str:
    """Changes whenever the answers could."""
    packages = sorted(name for folder in sys.path for name in _installed(Path(folder)))
    hiding = sorted(f"{name}={os.environ[name]}" for name in PASSED if name in os.environ and name.isupper())
    programs = [f"{name}={shutil.which(name)}" for name in PROGRAMS]
    machine = [str(ANSWERS), platform.node(), platform.machine(), _processor(), str(os.cpu_count())]
    return hashlib.sha256("\n".join([*packages, *hiding, *programs, *machine, *more]).encode()).hexdigest()


def _installed(folder: Path) -> list[str]:
    """Names and versions of the packages in a folder; opening each one's metadata would take 150 ms."""
    try:
        return [path.name for path in folder.iterdir() if path.suffix == ".dist-info"]
    except OSError:
        return []


def _processor() -> str:
    """The processor's features where the system tells them, else its name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "".join(sorted({line for line in lines if line.startswith(("model name", "flags"))}))
