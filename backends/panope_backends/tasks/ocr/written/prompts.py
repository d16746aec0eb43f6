"""What a model's answers go on from: its own beginning, a caller's, or a question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from panope_backends.errors import Field, InvalidInputError
from panope_backends.tasks.generate.tokenizer.text_encoder import TextEncoder

#: Of Donut's models that answer questions about documents, as transformers' pipeline has it.
_QUESTION = "<s_docvqa><s_question>{question}</s_question><s_answer>"
_OF_QUESTIONS = ("<s_docvqa>", "<s_question>", "</s_question>", "<s_answer>")

END_OF_ANSWER = "</s_answer>"
"""What a model writes after an answer; not always a special token."""

UNSUPPORTED = "unsupported_field"
"""The reason of refusals of what the model has not."""


@dataclass(frozen=True)
class Prompts:
    """Makes the decoder's first tokens.

    Attributes:
        encoder: the model's tokenizer.
        start: the token that its decoder starts with.
        parses: whether a task's own token stands in its place, as of Donut, whose answers are trees of tags.
        most: tokens that a prompt may have, so that some are left for the answer.
    """

    encoder: TextEncoder
    start: tuple[int, ...]
    parses: bool
    most: int

    @property
    def answers_questions(self) -> bool:
        """Whether the model knows what stands around questions."""
        return self.parses and all(self.encoder.token_id(text) is not None for text in _OF_QUESTIONS)

    def tokens(self, prompt: str, question: str) -> tuple[int, ...]:
        """Of a call.

        Args:
            prompt: of the caller; empty for the model's own.
            question: as above; empty for none.

        Raises:
            InvalidInputError: there are both, too much of one, or the model answers no questions.
        """
        if prompt and question:
            raise InvalidInputError.at(
                "prompt", "{field} and {question} exclude each other", question=Field("question")
            )
        if question and not self.answers_questions:
            raise InvalidInputError.at(
                "question",
                "{field}: the model answers none; its tokenizer has not the token `{token}`",
                token=_OF_QUESTIONS[0],
                reason=UNSUPPORTED,
            )
        text = _QUESTION.format(question=question) if question else prompt
        if not text:
            return self.start
        ids = tuple(self.encoder.encode(text, add_special_tokens=False))
        made = ids if self.parses else (*self.start, *ids)
        if len(made) > self.most:
            raise InvalidInputError.at(
                "question" if question else "prompt",
                "{field} has {count:,} tokens; the limit is {limit:,}",
                count=len(made),
                limit=self.most,
            )
        return made


def parses(config: Mapping[str, Any]) -> bool:
    """Whether a model's answers are trees of tags: by the type of its encoder, as transformers tells it."""
    encoder = config.get("encoder")
    return isinstance(encoder, Mapping) and "donut" in str(encoder.get("model_type"))
