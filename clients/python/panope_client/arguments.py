"""Checks of arguments: a wrong one is refused by its name, before any call is made."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from numbers import Real
from typing import Literal, ParamSpec, TypeAlias, TypeVar, cast, get_args

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from panope_client.errors import InvalidArgumentError

#: How urgent a call is. Of those that wait for a model, the more urgent are taken first.
Priority: TypeAlias = Literal["high", "normal", "low"]

P = ParamSpec("P")
Item = TypeVar("Item")
Request = TypeVar("Request", bound=Message)

#: Arguments that are not named as the field that they fill.
ARGUMENTS: Mapping[str, str] = {"id": "job_id", "service": "model"}

_BOOL, _STRING = FieldDescriptor.CPPTYPE_BOOL, FieldDescriptor.CPPTYPE_STRING

#: How a field's value is described: one, and several in a list.
_DESCRIPTIONS: Mapping[int, tuple[str, str]] = {
    _BOOL: ("True or False", "True and False"),
    _STRING: ("a str that UTF-8 can encode", "str that UTF-8 can encode"),
    FieldDescriptor.CPPTYPE_INT32: ("an integer from -2**31 to 2**31 - 1", "integers from -2**31 to 2**31 - 1"),
    FieldDescriptor.CPPTYPE_INT64: ("an integer from -2**63 to 2**63 - 1", "integers from -2**63 to 2**63 - 1"),
    FieldDescriptor.CPPTYPE_FLOAT: ("a number", "numbers"),
    FieldDescriptor.CPPTYPE_MESSAGE: ("a mapping of ids to numbers", "messages"),
    FieldDescriptor.CPPTYPE_UINT32: ("an integer from 0 to 2**32 - 1", "integers from 0 to 2**32 - 1"),
    FieldDescriptor.CPPTYPE_UINT64: ("an integer from 0 to 2**64 - 1", "integers from 0 to 2**64 - 1"),
}

_METADATA_KEY = re.compile(r"[0-9a-z_.-]+")
_KEY_TEXT = re.compile(r"[!-~]*")
_METADATA_TEXT = re.compile(r"[\x20-\x7e]*")


def request_of(message: Callable[P, Request], *args: P.args, **fields: P.kwargs) -> Request:
    """Makes a request message of its fields.

    Raises:
        InvalidArgumentError: a field does not take its value.
    """
    for name, value in fields.items():
        if isinstance(value, str | bytes) and _field_of(message, name).is_repeated:
            raise _refusal(message, name, value)  # protobuf would take each character for an item
    try:
        return message(*args, **fields)
    except (TypeError, ValueError) as error:
        for name, value in fields.items():
            if not _takes(message, name, value):
                raise _refusal(message, name, value) from error
        raise


def iterated(items: Iterable[Item], argument: str) -> Iterator[Item]:
    """Begins to iterate over the items of an argument.

    Raises:
        InvalidArgumentError: it has none.
    """
    try:
        return iter(items)
    except TypeError as error:
        kind = type(items).__name__
        raise InvalidArgumentError(f"`{argument}` must be a list; got {kind}", field=argument) from error


def check_address(value: object) -> None:
    """Checks that an address can be one of gRPC, which would look up a URL of HTTP as a host's name.

    Raises:
        InvalidArgumentError: it cannot.
    """
    if not isinstance(value, str) or value.startswith(("http://", "https://")):
        message = f"the address of a gRPC server is HOST:PORT, not a URL; got {value!r}"
        raise InvalidArgumentError(message, field="address")


def check_names(name: str, value: object) -> None:
    """Checks that an argument is a mapping with texts for its keys.

    Raises:
        InvalidArgumentError: it is not.
    """
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InvalidArgumentError(f"`{name}` must be a mapping by names", field=name)


def check_options(given: Mapping[str, object], options: type) -> None:
    """Checks that options are known.

    Args:
        given: by their names.
        options: the TypedDict of those that are known.

    Raises:
        InvalidArgumentError: one is not.
    """
    known = options.__annotations__
    if unknown := given.keys() - known.keys():
        name = min(unknown)
        raise InvalidArgumentError(f"unknown option `{name}`; known are {', '.join(known)}", field=name)


def value_of(word: str, values: Mapping[str, Item], name: str) -> Item:
    """What a word stands for.

    Raises:
        InvalidArgumentError: nothing.
    """
    if word not in values:
        raise InvalidArgumentError(f"{name} must be one of {', '.join(values)}; got {word!r}", field=name)
    return values[word]


def check_count(name: str, value: object) -> None:
    """Checks that an argument is an integer of at least 1.

    Raises:
        InvalidArgumentError: it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidArgumentError(f"`{name}` must be an integer of at least 1; got {value!r}", field=name)


def check_not_negative(name: str, value: object) -> None:
    """Checks that an argument is a number of at least 0.

    Raises:
        InvalidArgumentError: it is not.
    """
    if not _number(value) >= 0:
        raise InvalidArgumentError(f"`{name}` must be a number of at least 0; got {value!r}", field=name)


def check_seconds(name: str, value: object) -> None:
    """Checks that an argument is a number of seconds; a negative one is a time that is over, `math.inf` is for ever.

    Raises:
        InvalidArgumentError: it is not.
    """
    if math.isnan(_number(value)):
        raise InvalidArgumentError(f"`{name}` must be a number of seconds; got {value!r}", field=name)


def check_metadata(metadata: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Checks that gRPC can send metadata.

    Raises:
        InvalidArgumentError: it cannot.
    """
    try:
        pairs = tuple((key, value) for key, value in metadata)
        for key, value in pairs:
            if not _METADATA_KEY.fullmatch(key) or not _METADATA_TEXT.fullmatch(value):
                raise ValueError
    except (TypeError, ValueError):
        # The value may be a secret and is not repeated.
        raise InvalidArgumentError(
            "`metadata` must be pairs of a key in lower case and a text, both printable ASCII", field="metadata"
        ) from None
    return pairs


def check_priority(priority: object) -> tuple[tuple[str, str], ...]:
    """The metadata that says how urgent a call is; none for None.

    Raises:
        InvalidArgumentError: it is no priority.
    """
    if priority is None:
        return ()
    if priority not in get_args(Priority):
        raise InvalidArgumentError(f"`priority` must be one of {', '.join(get_args(Priority))}", field="priority")
    return (("x-panope-priority", str(priority)),)


def check_api_key(api_key: str) -> tuple[tuple[str, str], ...]:
    """The metadata by which a key is sent; none for no key.

    Raises:
        InvalidArgumentError: it cannot be sent.
    """
    if not _KEY_TEXT.fullmatch(api_key):
        # It is a secret, and not repeated.
        raise InvalidArgumentError("`api_key` must be a text of printable ASCII without spaces", field="api_key")
    return (("authorization", f"Bearer {api_key}"),) if api_key else ()


def _number(value: object) -> float:
    """The value as a float; NaN when it is no number."""
    return math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)


def _field_of(message: Callable[..., Message], name: str) -> FieldDescriptor:
    assert isinstance(message, type)
    assert issubclass(message, Message)
    return cast("FieldDescriptor", message.DESCRIPTOR.fields_by_name[name])


def _is_mapping(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _takes(message: Callable[..., Message], name: str, value: object) -> bool:
    try:
        message(**{name: value})
    except (TypeError, ValueError):
        return False
    return True


def _refusal(message: Callable[..., Message], name: str, value: object) -> InvalidArgumentError:
    field = _field_of(message, name)
    argument = ARGUMENTS.get(name, name)
    one, several = _DESCRIPTIONS[field.cpp_type]
    if not field.is_repeated or _is_mapping(field):
        return InvalidArgumentError(f"`{argument}` must be {one}; got {_shown(value)}", field=argument)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for index, item in enumerate(value):
            if not _takes(message, name, [item]):
                argument = f"{argument}[{index}]"
                return InvalidArgumentError(f"`{argument}` must be {one}; got {_shown(item)}", field=argument)
    return InvalidArgumentError(f"`{argument}` must be a list of {several}; got {_shown(value)}", field=argument)


def _shown(value: object) -> str:
    """The value, or the kind of one that would be long."""
    text = repr(value)
    return text if len(text) <= 40 else f"{type(value).__name__} {text[:37]}…"


def timestamp_of(moment: object, argument: str) -> Timestamp | None:
    """A moment as a message.

    Raises:
        InvalidArgumentError: it is none, or has no zone, so that nobody can place it.
    """
    if moment is None:
        return None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InvalidArgumentError(f"`{argument}` must be a datetime with a zone; got {moment!r}", field=argument)
    made = Timestamp()
    made.FromDatetime(moment)
    return made
