"""Which instance runs a call."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Placement:
    """Which instance runs a call; everything is empty until one has it.

    Attributes:
        instance: its name, unique in this server.
        format: of the variant's files.
        precision: of the variant's weights.
        device_microseconds: the call's share of its device's time so far.
    """

    instance: str = ""
    variant_digest: str = ""
    format: str = ""
    precision: str = ""
    backend: str = ""
    device_microseconds: int = 0

    @property
    def variant(self) -> str:
        """The variant in a word, such as `openvino-int8`; a model has few."""
        return f"{self.format}-{self.precision}" if self.format and self.precision else self.format or self.precision
