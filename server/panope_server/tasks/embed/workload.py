"""What `embed` models are measured with."""

from __future__ import annotations

from dataclasses import dataclass

from panope_server.tasks.embed.types import EmbedInput

#: Common words of English, so that a tokenizer makes about one token of each.
_WORDS = (
    "the river bank was quiet that morning and a small boat came slowly down with two people who looked at water "
    "birds old trees green fields under light clouds"
).split()


@dataclass(frozen=True)
class EmbedWorkload:
    """Texts of equal length, a batch in each call."""

    words: int
    batch: int

    @property
    def name(self) -> str:
        """As measurements are kept under it."""
        return f"embed-{self.words}-words-batch-{self.batch}"

    @property
    def items(self) -> int:
        """Texts in one call."""
        return self.batch

    def input(self, number: int) -> EmbedInput:
        """One call; no two have a text in common."""
        texts = [
            " ".join(_WORDS[(number + text + word * (1 + text % 3)) % len(_WORDS)] for word in range(self.words - 1))
            for text in range(self.batch)
        ]
        return EmbedInput(texts=[f"{number * self.batch + place} {text}" for place, text in enumerate(texts)])
