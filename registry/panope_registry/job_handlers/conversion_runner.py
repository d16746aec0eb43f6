"""The interface of whatever runs converters for jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from panope_backends.api import Conversion, ModelFacts


class ConversionRunner(Protocol):
    """Runs converters, each in a process of its own."""

    def conversions(self) -> Mapping[str, Sequence[Conversion]]:
        """Returns the conversions of this machine by backend; those that cannot be made say why."""

    def convert(
        self,
        backend: str,
        conversion: Conversion,
        model: ModelFacts,
        folder: Path,
        out: Path,
        check: Callable[[], None],
    ) -> None:
        """Runs one converter.

        Args:
            backend: whose converter it is.
            conversion: what to make.
            model: the facts of the source.
            folder: its verified files.
            out: an empty folder for the result.
            check: called several times a second; what it raises ends the process and is passed on.

        Raises:
            PanopeError: the converter refuses the model, or failed.
        """
