"""Runs backends' converters for jobs, each as a program of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from panope_backends.api import Conversion, ModelFacts
from panope_server.config import Settings
from panope_server.runtime.hardware.hardware import Hardware
from panope_server.runtime.placement.memory import conversion_limit
from panope_server.runtime.processes.programs import run_program_in_thread

CONVERT = "panope_backends.programs.convert"


class ProgramConversionRunner:
    """A `ConversionRunner` whose converters are programs with a worker's environment, which end with this process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asking = threading.Lock()

    def conversions(self) -> Mapping[str, Sequence[Conversion]]:
        """What the backends of this machine make; asked once and then kept in the home folder."""
        with self._asking:
            return asyncio.run(Hardware.for_settings(self._settings).probe()).conversions

    def convert(
        self,
        backend: str,
        conversion: Conversion,
        model: ModelFacts,
        folder: Path,
        out: Path,
        check: Callable[[], None],
    ) -> None:
        """Converts; what `check` raises ends the program and is passed on."""
        document = {
            "backend": backend,
            "format": conversion.format,
            "precision": conversion.precision,
            "model": asdict(model) | {"config": dict(model.config)},
            "folder": str(folder),
            "out": str(out),
        }
        source_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        run_program_in_thread(
            CONVERT,
            document=document,
            check=check,
            python=self._settings.python_of(backend),
            memory_bytes=conversion_limit(source_bytes),
        )
