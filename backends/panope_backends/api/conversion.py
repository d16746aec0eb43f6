"""The second interface of a backend: making models of other formats or precisions than they came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from panope_backends.api.backend import ModelFacts


@dataclass(frozen=True)
class Conversion:
    """One thing that a converter makes of a model.

    Attributes:
        source_formats: that it reads, best first.
        format: that it writes, such as `openvino`.
        precision: of the weights that it writes, such as `fp32` or `int8`.
        engine_version: of all that decides on the result; a new one converts again.
        source_precisions: of the weights that it reads; empty for any.
        automatic: whether it is done unasked, for a model that this backend cannot run otherwise; its result computes
            the same.
        reason: why it cannot be done on this machine, such as a missing package; empty when it can.
    """

    source_formats: tuple[str, ...]
    format: str
    precision: str
    engine_version: str
    source_precisions: tuple[str, ...] = ()
    automatic: bool = False
    reason: str = ""

    def reads(self, format: str, precision: str = "") -> bool:  # noqa: A002 - the word for it
        """Whether it takes weights of that format and precision; an unknown precision is taken."""
        return format in self.source_formats and (
            not precision or precision in (self.source_precisions or (precision,))
        )


@runtime_checkable
class Converter(Protocol):
    """A second interface, for a backend that makes models of other formats or precisions than they came in.

    The server runs `convert` once, in a process of its own, and keeps the result in the store. A backend without
    devices may convert too. `panope_backends.testing.ConverterContract` is the suite that every converter passes.
    """

    def conversions(self) -> Sequence[Conversion]:
        """All that it makes, one for each format and precision; those that cannot be done here with the reason.

        Nothing heavy is imported to answer.
        """

    def convert(self, model: ModelFacts, conversion: Conversion, folder: Path, out: Path) -> None:
        """Writes the converted model into the empty folder `out`, which it need not share with `folder`.

        Configuration and tokenizer files are copied by the caller; only what replaces the weights is written.

        Args:
            model: what is known of it; its format is one that the conversion reads.
            conversion: one of `conversions()`, without a reason against it.
            folder: the model's files, verified, read-only.
            out: the empty folder.

        Raises:
            PreconditionError: this model cannot be converted, or the result computes something else.
        """
