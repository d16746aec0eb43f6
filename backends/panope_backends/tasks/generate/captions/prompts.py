"""What a model's words about an image go on from: its own beginning, a caller's, or a question."""

from __future__ import annotations

from dataclasses import dataclass

from panope_backends.errors import InvalidInputError
from panope_backends.tasks.generate.tokenizer.text_encoder import TextEncoder


@dataclass(frozen=True)
class CaptionPrompts:
    """Makes the first tokens of an answer.

    Attributes:
        encoder: the model's tokenizer.
        start: what an answer begins with.
        reads_questions: whether the model reads a question first, and answers it behind `start`; else its words go on
            from those of the caller.
        most: tokens that there may be, so that one is left for the answer.
    """

    encoder: TextEncoder
    start: tuple[int, ...]
    reads_questions: bool
    most: int

    def tokens(self, text: str, path: str) -> tuple[int, ...]:
        """Of the text beside an image.

        Args:
            text: the question, or how the model's words begin; empty for none.
            path: of its message.

        Raises:
            InvalidInputError: it is too long, or there is no question for a model that answers such.
        """
        ids = tuple(self.encoder.encode(text, add_special_tokens=self.reads_questions)) if text else ()
        if not self.reads_questions:
            made = (*self.start, *ids)
        elif ids:
            self._require_no_start(ids, path)
            made = (*ids, *self.start)
        else:
            raise InvalidInputError.at(path, "{field} has no text, and the model answers questions about an image")
        if len(made) > self.most:
            raise InvalidInputError.at(
                path,
                "{field}: its text has {count:,} tokens; the limit is {limit:,}",
                count=len(made) - len(self.start),
                limit=self.most - len(self.start),
            )
        return made

    def _require_no_start(self, ids: tuple[int, ...], path: str) -> None:
        """Refuses what would end the question before its end."""
        if set(self.start).intersection(ids):
            raise InvalidInputError.at(
                path, "{field} has the special token that the model's answers begin with", reason="unsupported_content"
            )
