"""What every kind of loaded model has."""

from __future__ import annotations

from abc import ABC


class LoadedModel(ABC):
    """A model on a device; backends derive theirs from one of the kinds, never from this class itself."""

    precision: str
    """What it computes in, such as `fp32`."""

    def free_memory_bytes(self) -> int | None:
        """What the model's device has left for this process; None, the default, where it uses the machine's memory."""
        return None

    def close(self) -> None:  # noqa: B027 - optional: most engines free their memory with the object
        """Frees the device's memory; the model is not used again."""
