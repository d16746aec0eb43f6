"""A limit on the length of every text that a message of the public protocol holds, by the field's name.

Texts that are a model's input have limits of their own in the pipeline, where what a REST caller sends passes too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from panope_backends.errors import InvalidInputError
from panope_server.tasks.validation import MAX_NAME_CHARACTERS, check_length

#: Characters of texts that are longer than names.
LONGER = {
    "reason": 1000,
    "page_token": 1024,
    "description": 1 << 16,
    **dict.fromkeys(("json_schema", "regex", "lark"), 1 << 18),
    **dict.fromkeys(("parameters_json", "arguments_json", "template_kwargs_json"), 1 << 18),
}
#: Items of a list of words.
MAX_WORDS = 1024

#: The pipeline checks these, or they are checked as what they hold.
_ELSEWHERE = (
    *("texts", "output_names", "prompts", "text", "reasoning"),
    *("second_texts", "query", "documents", "candidate_labels", "hypothesis_template"),
    *("questions", "contexts"),
    "uri",  # of media: it may hold the file, which has limits of its own
)
_OPAQUE = ("google.protobuf.Value", "google.protobuf.Struct", "google.api.HttpBody")


@dataclass(frozen=True)
class _Plan:
    """The fields of a message that hold texts, and those that hold messages with such fields."""

    texts: tuple[FieldDescriptor, ...]
    messages: tuple[FieldDescriptor, ...]

    @property
    def is_empty(self) -> bool:
        return not self.texts and not self.messages


def is_envelope(message: Message) -> bool:
    """Whether a message of a stream holds what a call of its own would, and an id that names it there."""
    return {"id", "request"} == set(message.DESCRIPTOR.fields_by_name)


def check_lengths(message: Message) -> None:
    """Refuses a message with a text that is too long.

    Args:
        message: of a caller.

    Raises:
        InvalidInputError: it names the field and the limit.
    """
    _check(message, "")


def _check(message: Message, prefix: str) -> None:
    plan = _plan(message.DESCRIPTOR)
    for field in plan.texts:
        value = getattr(message, field.name)
        name = prefix + field.name
        if not field.is_repeated:
            check_length(value, name, LONGER.get(field.name, MAX_NAME_CHARACTERS))
            continue
        if len(value) > MAX_WORDS:
            raise InvalidInputError.at(
                name, "{field} has {count:,} items; the limit is {limit:,}", count=len(value), limit=MAX_WORDS
            )
        for index, text in enumerate(value):
            check_length(text, f"{name}[{index}]")
    for field in plan.messages:
        name = prefix + field.name
        if field.is_repeated:
            for index, item in enumerate(getattr(message, field.name)):
                _check(item, f"{name}[{index}].")
        elif message.HasField(field.name):
            _check(getattr(message, field.name), f"{name}.")


@cache
def _plan(kind: Descriptor) -> _Plan:
    if kind.full_name in _OPAQUE:
        return _Plan((), ())
    texts = tuple(
        field for field in kind.fields if field.type == FieldDescriptor.TYPE_STRING and field.name not in _ELSEWHERE
    )
    return _Plan(texts, tuple(field for field in kind.fields if _holds_texts(field, kind)))


def _holds_texts(field: FieldDescriptor, within: Descriptor) -> bool:
    inner = field.message_type
    if inner is None or inner is within or inner.GetOptions().map_entry:
        return False
    return not _plan(inner).is_empty
