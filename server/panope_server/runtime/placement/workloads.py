"""What models are measured with: the same for every model of a task, so that measurements can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from panope_server.tasks.embed import EmbedInput
from panope_server.tasks.task import Input

#: Common words of English, so that a tokenizer makes about one token of each.
_WORDS = (
    "the river bank was quiet that morning and a small boat came slowly down with two people who looked at water "
    "birds old trees green fields under light clouds"
).split()


@dataclass(frozen=True)
class EmbedWorkload:
    """Texts of equal length to embed, a batch in each call."""

    task: ClassVar[str] = "embed"
    words: int
    batch: int

    @property
    def name(self) -> str:
        """As measurements are kept under it."""
        return f"{self.task}-{self.words}-words-batch-{self.batch}"

    @property
    def items(self) -> int:
        """Texts in one call."""
        return self.batch

    def input(self, number: int) -> Input:
        """One call; no two have a text in common."""
        texts = [
            " ".join(_WORDS[(number + text + word * (1 + text % 3)) % len(_WORDS)] for word in range(self.words - 1))
            for text in range(self.batch)
        ]
        return EmbedInput(texts=[f"{number * self.batch + place} {text}" for place, text in enumerate(texts)])


#: By task; the first decides between candidates to run a model.
WORKLOADS = {"embed": (EmbedWorkload(22, 32), EmbedWorkload(22, 1))}


def deciding_workload(task: str) -> str:
    """The name of the workload whose throughput ranks candidates to run models of a task; empty when there is none."""
    workloads = WORKLOADS.get(task, ())
    return workloads[0].name if workloads else ""
