"""The devices of this machine, as the backends see them.

Asking an engine means importing it, so a probe program does it and its answers are kept in the home folder until a
package, the processor, a driver or a variable that hides devices changes, or somebody asks anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import orjson
import structlog

from panope_backends.api import Device, ModelFacts, Support
from panope_server.config import Settings
from panope_server.runtime.hardware.machine_key import machine_key
from panope_server.runtime.hardware.overrides import Overrides
from panope_server.runtime.hardware.probe import Probe, probe_of, supports_of
from panope_server.runtime.hardware.prober import Prober

PROBE = "probe"

_log = structlog.get_logger("panope.hardware")

#: What a backend that hangs or ends its process says of devices is asked again after this time, by the next program.
FAILED_SECONDS = 600.0


class _Kept(msgspec.Struct):
    """What the file holds: answers by question, for a machine, until a time if a backend failed."""

    key: str
    answers: dict[str, dict[str, Any]]
    until: float | None = None


class Hardware:
    """Asks the backends, each question once.

    Args:
        cache_file: where answers are kept.
        prober: asks.
        key: what else the answers depend on than the machine.
        overrides: what the settings say of devices.
    """

    def __init__(
        self, cache_file: Path, prober: Prober, key: Sequence[str] = (), overrides: Overrides | None = None
    ) -> None:
        self._cache_file = cache_file
        self._prober = prober
        self._more_key = list(key)
        self._overrides = overrides or Overrides()
        self._key = ""
        self._answers: dict[str, Any] = {}
        self._lock = asyncio.Lock()

    @classmethod
    def for_settings(cls, settings: Settings) -> Hardware:
        """Keeps its answers in the home folder and knows a backend that the settings name as `module:Class`."""
        extra, python = [settings.backend] if ":" in settings.backend else [], settings.workers.python
        interpreters = settings.hardware.interpreters
        prober = Prober(extra, python, interpreters)
        key = [*extra, python, *settings.hardware.python]
        return cls(settings.home_path / "hardware.json", prober, key, Overrides.of(settings.hardware))

    def kept_devices(self) -> Sequence[Device]:
        """The devices as they were last found, without asking for them; empty when nobody has asked yet."""
        _, answers = self._read()
        return self._overrides.applied(probe_of(answers[PROBE])).devices if PROBE in answers else ()

    def known_devices(self) -> Sequence[Device]:
        """The devices as this process was told; empty while nobody has asked."""
        return self._overrides.applied(probe_of(self._answers[PROBE])).devices if PROBE in self._answers else ()

    async def probe(self, *, refresh: bool = False) -> Probe:
        """The devices, best first, and what can be converted.

        Args:
            refresh: whether the backends are asked again, and all that they said before is forgotten.
        """
        return self._overrides.applied(probe_of(await self._ask(PROBE, None, refresh=refresh)))

    def unknown_overrides(self, probe: Probe) -> Sequence[tuple[str, str]]:
        """The settings, each with a name in it that means nothing here."""
        return self._overrides.unknown(probe)

    async def supports(self, facts: ModelFacts) -> Mapping[tuple[str, str], Support]:
        """How well each device runs a model, by backend and device name."""
        document = asdict(facts) | {"config": dict(facts.config)}
        question = hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
        return supports_of(await self._ask(question, document))

    async def _ask(self, question: str, facts: Mapping[str, Any] | None, *, refresh: bool = False) -> Any:
        async with self._lock:
            if not self._key or refresh:
                self._key, self._answers = await asyncio.to_thread(self._read)
            if refresh:
                self._answers = {}
            if question not in self._answers:
                answers = await self._prober.ask(facts, self._failed())
                self._answers[question] = answers.document()
                await asyncio.to_thread(self._write)
        return self._answers[question]

    def _failed(self) -> Mapping[str, str]:
        """The backends that hang or end their processes: asking each question would take their time again."""
        return {name: why for answer in self._answers.values() for name, why in answer["failed"].items()}

    def _read(self) -> tuple[str, dict[str, Any]]:
        key = machine_key(self._more_key)
        try:
            kept = msgspec.json.decode(self._cache_file.read_bytes(), type=_Kept)
            for answer in kept.answers.values():
                probe_of(answer)
                supports_of(answer)
        except (OSError, msgspec.DecodeError, LookupError, TypeError, ValueError, AttributeError):
            return key, {}  # another program's, or nobody's: backends are asked anew
        is_current = kept.key == key and (kept.until is None or time.time() < kept.until)
        return key, kept.answers if is_current else {}

    def _write(self) -> None:
        if not self._cache_file.parent.is_dir():
            return  # whoever only looks at the machine begins no home
        kept = _Kept(self._key, self._answers, time.time() + FAILED_SECONDS if self._failed() else None)
        temporary = self._cache_file.with_suffix(f".{os.getpid()}")
        try:
            temporary.write_bytes(msgspec.json.encode(kept))
            temporary.replace(self._cache_file)
        except OSError as error:  # a full disk, or another user's home: the next program asks again
            with suppress(OSError):  # of a file system that is read-only
                temporary.unlink(missing_ok=True)
            _log.warning("hardware_not_kept", file=str(self._cache_file), error=str(error))
