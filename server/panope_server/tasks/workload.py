"""What models that take texts are measured with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from panope_server.tasks.task import Input

#: Common words of English, so that a tokenizer makes about one token of each.
_WORDS = (
    "the river bank was quiet that morning and a small boat came slowly down with two people who looked at water "
    "birds old trees green fields under light clouds"
).split()


@dataclass(frozen=True)
class TextsWorkload:
    """Texts of equal length, a batch in each call.

    Attributes:
        task: its name.
        make: the task's input of texts.
        words: of each text.
        batch: texts in one call.
    """

    task: str
    make: Callable[[list[str]], Input]
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
        return self.make([f"{number * self.batch + place} {text}" for place, text in enumerate(texts)])


def texts_workloads(task: str, make: Callable[[list[str]], Input]) -> tuple[TextsWorkload, ...]:
    """The workloads of a task: short texts, many in a call, and one."""
    return TextsWorkload(task, make, 22, 32), TextsWorkload(task, make, 22, 1)
