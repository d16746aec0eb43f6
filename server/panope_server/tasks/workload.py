"""What models that take texts, or one input of any kind in a call, are measured with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from panope_server.tasks.task import Input, MeasuredModel, Workload

#: Common words of English, so that a tokenizer makes about one token of each.
_WORDS = (
    "the river bank was quiet that morning and a small boat came slowly down with two people who looked at water "
    "birds old trees green fields under light clouds"
).split()

Suits = Callable[[MeasuredModel], bool]


def text_of(number: int, words: int = 22) -> str:
    """A text of so many words; no two numbers have the same."""
    rest = (_WORDS[(number + word * (1 + number % 3)) % len(_WORDS)] for word in range(words - 1))
    return f"{number} {' '.join(rest)}"


@dataclass(frozen=True)
class TextsWorkload(Workload):
    """Texts of equal length, a batch in each call.

    Attributes:
        task: its name.
        make: the task's input of texts.
        words: of each text.
        batch: texts in one call.
        is_for: which models of the task it suits.
    """

    task: str
    make: Callable[[list[str]], Input]
    words: int
    batch: int
    is_for: Suits = lambda _: True

    @property
    def name(self) -> str:
        """As measurements are kept under it."""
        return f"{self.task}-{self.words}-words-batch-{self.batch}"

    @property
    def items(self) -> int:
        """Texts in one call."""
        return self.batch

    def suits(self, model: MeasuredModel) -> bool:
        """Whether it takes texts."""
        return self.is_for(model)

    def input(self, number: int, model: MeasuredModel | None = None) -> Input:
        """One call; no two have a text in common."""
        del model
        texts = [
            " ".join(_WORDS[(number + text + word * (1 + text % 3)) % len(_WORDS)] for word in range(self.words - 1))
            for text in range(self.batch)
        ]
        return self.make([f"{number * self.batch + place} {text}" for place, text in enumerate(texts)])


@dataclass(frozen=True)
class SingleWorkload:
    """One input in each call.

    Attributes:
        name: as measurements are kept under it.
        make: the input of a number, for a model.
        items: what one call counts as, such as tokens or seconds.
        is_for: which models of the task it suits.
    """

    name: str
    make: Callable[[int, MeasuredModel], Input]
    items: int = 1
    is_for: Suits = lambda _: True

    def suits(self, model: MeasuredModel) -> bool:
        """As told."""
        return self.is_for(model)

    def input(self, number: int, model: MeasuredModel | None = None) -> Input:
        """One call."""
        return self.make(number, model or MeasuredModel())


def texts_workloads(
    task: str, make: Callable[[list[str]], Input], is_for: Suits = lambda _: True
) -> tuple[TextsWorkload, ...]:
    """The workloads of a task: short texts, many in a call, and one."""
    return TextsWorkload(task, make, 22, 32, is_for), TextsWorkload(task, make, 22, 1, is_for)
