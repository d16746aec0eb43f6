"""Step models that run adapters beside their weights: each sequence of a step with one of them, or with none.

Numbers. An adapter is known by a number, from 1 to `max_adapters`, that the caller chooses; 0 is the model itself. A
step names the number of each sequence (`StepBatch.adapters`). What blocks hold depends on the adapter, so no block is
shared by sequences of different ones; the caller sees to that, as it owns the blocks.

A sequence's logits are those of the model with the adapter merged into its weights, to rounding in fp32, and those of a
sequence without one are what they are when no adapter was added.

Threads. `add_adapter` and `remove_adapter` may be called while another thread is in `forward`, whose batch names none
of theirs.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from panope_backends.api.step_models.step_batch import StepBatch
from panope_backends.api.step_models.step_checks import check_adapters
from panope_backends.api.step_models.step_model import StepModel


class AdaptableStepModel(StepModel):
    """A step model that takes adapters once it is loaded."""

    max_adapters: int
    """That it keeps at a time; 0 where this model takes none."""

    @property
    @abstractmethod
    def adapters(self) -> frozenset[int]:
        """The numbers of those that it has."""

    @abstractmethod
    def add_adapter(self, number: int, folder: Path) -> None:
        """Reads an adapter, as `panope_backends.lora` describes its files; nothing of them is needed afterwards.

        Args:
            number: from 1 to `max_adapters`, of none that it has.
            folder: the adapter's files.

        Raises:
            InvalidInputError: the number is out of range or taken, or the files do not go together.
            PreconditionError: the adapter does not fit the model (`adapter_mismatch`), or changes what this model
                cannot change for single sequences (`needs_own_instance`).
        """

    @abstractmethod
    def remove_adapter(self, number: int) -> None:
        """Forgets an adapter and frees its memory; one that it does not have is ignored."""

    def check(self, batch: StepBatch) -> None:
        """As of every step model, and that it has the adapters."""
        super().check(batch)
        check_adapters(batch, self.adapters)
