"""What a model's words about an image go on from: its own beginning, a caller's, or a question."""

from __future__ import annotations

from dataclasses import dataclass

from panope_backends.errors import InvalidInputError
from panope_backends.tasks.generate.tokenizer.text_encoder import TextEncoder


@dataclass(frozen=True)
class PromptForm:
    """What stands around a caller's words.

    Attributes:
        begins_answer: the token behind the prompt, which says that the answer begins.
        ends_line: whether the words end with that of a line; else with what the tokenizer puts behind texts.
        nothing: what stands in the place of no words, where none ends a line.
    """

    begins_answer: int
    ends_line: bool
    nothing: tuple[int, ...] = ()

    def of(self, text: str) -> str:
        """The text that is tokenized."""
        return f"{text}\n" if self.ends_line else text


@dataclass(frozen=True)
class CaptionPrompts:
    """Makes the first tokens of an answer.

    Attributes:
        encoder: the model's tokenizer.
        start: what an answer begins with.
        reads_questions: whether the model reads a question first, and answers it behind `start`; else its words go on
            from those of the caller.
        form: what stands around a caller's words where the model reads all of a prompt before it answers.
        most: tokens that there may be, so that one is left for the answer.
    """

    encoder: TextEncoder
    start: tuple[int, ...]
    reads_questions: bool
    most: int
    form: PromptForm | None = None

    def tokens(self, text: str, path: str) -> tuple[int, ...]:
        """Of the text beside an image.

        Args:
            text: the question, or how the model's words begin; empty for none.
            path: of its message.

        Raises:
            InvalidInputError: it is too long, or there is no question for a model that answers such.
        """
        if self.form is not None:
            return self._whole(text, path, self.form)
        ids = tuple(self.encoder.encode(text, add_special_tokens=self.reads_questions)) if text else ()
        if not self.reads_questions:
            made = (*self.start, *ids)
        elif ids:
            self._require_no_start(ids, path)
            made = (*ids, *self.start)
        else:
            raise InvalidInputError.at(path, "{field} has no text, and the model answers questions about an image")
        return self._within(made, len(self.start), path)

    def _whole(self, text: str, path: str, form: PromptForm) -> tuple[int, ...]:
        if text or form.ends_line:
            ids = tuple(self.encoder.encode(form.of(text), add_special_tokens=not form.ends_line))
        else:
            ids = form.nothing
        self._require_no_start(ids, path, form.begins_answer)
        made = (*self.start, *ids, form.begins_answer)
        return self._within(made, len(self.start) + 1, path)

    def _within(self, made: tuple[int, ...], own: int, path: str) -> tuple[int, ...]:
        if len(made) > self.most:
            raise InvalidInputError.at(
                path,
                "{field}: its text has {count:,} tokens; the limit is {limit:,}",
                count=len(made) - own,
                limit=self.most - own,
            )
        return made

    def _require_no_start(self, ids: tuple[int, ...], path: str, *others: int) -> None:
        """Refuses what would end the question before its end."""
        if {*self.start, *others}.intersection(ids):
            raise InvalidInputError.at(
                path, "{field} has the special token that the model's answers begin with", reason="unsupported_content"
            )
