"""What `classify` models are measured with."""

from __future__ import annotations

from dataclasses import dataclass

from panope_server.tasks.classify.types import ClassifyInput
from panope_server.tasks.embed.workload import EmbedWorkload


@dataclass(frozen=True)
class ClassifyWorkload:
    """Texts of equal length, a batch in each call."""

    words: int
    batch: int

    @property
    def name(self) -> str:
        """As measurements are kept under it."""
        return f"classify-{self.words}-words-batch-{self.batch}"

    @property
    def items(self) -> int:
        """Texts in one call."""
        return self.batch

    def input(self, number: int) -> ClassifyInput:
        """One call; no two have a text in common."""
        return ClassifyInput(EmbedWorkload(self.words, self.batch).input(number).texts)
