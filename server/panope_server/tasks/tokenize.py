"""Tasks `tokenize` and `detokenize`: texts to the model's tokens, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from msgspec import Struct

from panope.worker.v1 import tokenize_pb2 as messages
from panope_backends.texts import check_tokenize
from panope_server.config import Limits
from panope_server.tasks.generate.limits import check_conversation
from panope_server.tasks.generate.messages import conversation_message
from panope_server.tasks.generate.types import Conversation
from panope_server.tasks.json_values import names_in_value
from panope_server.tasks.task import BYTES_OF_UNIT, Input, JsonForm, Output, Task, Usage
from panope_server.tasks.texts import sequence_messages, text_cost
from panope_server.tasks.validation import check_texts, check_token_sequences


@dataclass(slots=True)
class TokenizeInput(Input):
    """Texts to split into tokens, or a conversation as the model's chat template writes it."""

    texts: list[str]
    add_special_tokens: bool = True
    conversation: Conversation | None = None


@dataclass(slots=True)
class TokenizedText:
    """The tokens of one text; offsets count Unicode code points, ends are exclusive.

    Attributes:
        special: whether each token was put around the text.
    """

    ids: list[int]
    tokens: list[str]
    starts: list[int]
    ends: list[int]
    special: list[bool] = field(default_factory=list)


@dataclass(slots=True)
class TokenizeOutput(Output):
    """The tokens of each text, in order."""

    texts: list[TokenizedText]


@dataclass(slots=True)
class DetokenizeInput(Input):
    """Token ids to join into texts."""

    token_sequences: list[list[int]]
    skip_special_tokens: bool = True


@dataclass(slots=True)
class DetokenizeOutput(Output):
    """The texts, in order."""

    texts: list[str]


class TokenizeValue(Struct, forbid_unknown_fields=True):
    """The value of task `tokenize` with options; they mean what they mean in TokenizeRequest."""

    texts: list[str]
    add_special_tokens: bool = True


class TokenizeJsonForm(JsonForm[TokenizeInput, TokenizeOutput]):
    """Texts to an object of lists for each."""

    schema: ClassVar[Any] = str | list[str] | TokenizeValue

    def input_of(self, value: str | list[str] | TokenizeValue) -> TokenizeInput:
        """The texts."""
        if isinstance(value, TokenizeValue):
            return TokenizeInput(value.texts, value.add_special_tokens)
        return TokenizeInput([value] if isinstance(value, str) else value)

    def value_of(self, output: TokenizeOutput) -> list[dict[str, Any]]:
        """The tokens of each text, as in TokenizedText."""
        return [{"ids": t.ids, "tokens": t.tokens, "starts": t.starts, "ends": t.ends} for t in output.texts]

    def fields_of(self, value: object) -> Mapping[str, str]:
        """Texts by themselves are the value."""
        return names_in_value(value, TokenizeValue, "texts")


class DetokenizeValue(Struct, forbid_unknown_fields=True):
    """The value of task `detokenize` with options; they mean what they mean in DetokenizeRequest."""

    token_sequences: list[list[int]]
    skip_special_tokens: bool = True


class DetokenizeJsonForm(JsonForm[DetokenizeInput, DetokenizeOutput]):
    """Lists of token ids to texts."""

    schema: ClassVar[Any] = list[list[int]] | DetokenizeValue

    def input_of(self, value: list[list[int]] | DetokenizeValue) -> DetokenizeInput:
        """The ids."""
        if isinstance(value, DetokenizeValue):
            return DetokenizeInput(value.token_sequences, value.skip_special_tokens)
        return DetokenizeInput(value)

    def value_of(self, output: DetokenizeOutput) -> list[str]:
        """The texts, in order."""
        return output.texts

    def fields_of(self, value: object) -> Mapping[str, str]:
        """Ids by themselves are the value."""
        return names_in_value(value, DetokenizeValue, "token_sequences")


class TokenizeTask(Task[TokenizeInput, TokenizeOutput]):
    """Texts to tokens."""

    name = "tokenize"
    input_type = TokenizeInput
    json = TokenizeJsonForm()
    input_unit = output_unit = "tokens"

    def encode(self, task_input: TokenizeInput) -> bytes:
        """The texts, or the conversation."""
        message = messages.TokenizeInput(texts=task_input.texts, add_special_tokens=task_input.add_special_tokens)
        if task_input.conversation is not None:
            message.conversation = conversation_message(task_input.conversation).SerializeToString()
        return message.SerializeToString()

    def decode(self, data: bytes) -> TokenizeOutput:
        """The tokens."""
        message = messages.TokenizeOutput.FromString(data)
        return TokenizeOutput(
            [
                TokenizedText(list(t.ids), list(t.tokens), list(t.starts), list(t.ends), list(t.special))
                for t in message.texts
            ]
        )

    def cost(self, task_input: TokenizeInput, data: bytes) -> tuple[int, int]:
        """Texts, and their characters; a conversation's bytes."""
        return text_cost(task_input.texts, []) if task_input.conversation is None else (1, len(data))

    def tokens(self, task_input: TokenizeInput) -> int:
        """By the characters of the texts, or the bytes of the conversation."""
        if (conversation := task_input.conversation) is None:
            return super().tokens(task_input)
        return (len(conversation.messages) + len(conversation.tools)) // BYTES_OF_UNIT

    def validate(self, task_input: TokenizeInput, limits: Limits) -> None:
        """Checks the texts, or the conversation."""
        if task_input.conversation is None:
            check_texts(task_input.texts, limits)
        else:
            check_conversation(task_input.conversation, limits)

    def check(self, task_input: TokenizeInput, facts: object) -> None:
        """Refuses texts that the worker would refuse unread."""
        check_tokenize(task_input.texts, getattr(facts, "max_tokens", 0))

    def usage(self, output: TokenizeOutput) -> Usage:
        """Tokens."""
        tokens = sum(len(text.ids) for text in output.texts)
        return Usage(tokens, tokens)


class DetokenizeTask(Task[DetokenizeInput, DetokenizeOutput]):
    """Tokens to texts."""

    name = "detokenize"
    input_type = DetokenizeInput
    json = DetokenizeJsonForm()
    input_unit = "tokens"
    output_unit = "bytes"

    def encode(self, task_input: DetokenizeInput) -> bytes:
        """The sequences."""
        message = messages.DetokenizeInput(
            token_sequences=sequence_messages(task_input.token_sequences),
            skip_special_tokens=task_input.skip_special_tokens,
        )
        return message.SerializeToString()

    def decode(self, data: bytes) -> DetokenizeOutput:
        """The texts."""
        return DetokenizeOutput(list(messages.DetokenizeOutput.FromString(data).texts))

    def cost(self, task_input: DetokenizeInput, data: bytes) -> tuple[int, int]:
        """Sequences, and the bytes of their ids."""
        del data
        return text_cost([], task_input.token_sequences)

    def validate(self, task_input: DetokenizeInput, limits: Limits) -> None:
        """Checks the ids."""
        check_token_sequences(task_input.token_sequences, limits)

    def input_units(self, task_input: DetokenizeInput) -> int:
        """Tokens."""
        return sum(map(len, task_input.token_sequences))

    def usage(self, output: DetokenizeOutput) -> Usage:
        """Bytes of the texts."""
        return Usage(0, sum(len(text.encode()) for text in output.texts))
