"""OpenAI's `chunking_strategy`: how silence parts a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from panope_backends.errors import InvalidInputError
from panope_server.tasks.speech.vad import OF_FILES, VadOptions

_NAME = "chunking_strategy"
_SECOND = 1000
_DEFAULT = VadOptions()
_MOST_SILENCE, _MOST_PADDING = (round(each * _SECOND) for each in (OF_FILES.max_silence, OF_FILES.max_padding))


class ServerVad(Struct, forbid_unknown_fields=True):
    """What counts as speech.

    Attributes:
        type: Always `server_vad`.
        threshold: The probability from which a moment is speech.
        silence_duration_ms: Shorter silence does not part speech.
        prefix_padding_ms: What is kept before speech, and behind it.
    """

    type: Literal["server_vad"]
    threshold: Annotated[float, Meta(gt=0, lt=1)] = _DEFAULT.threshold
    silence_duration_ms: Annotated[int, Meta(ge=0, le=_MOST_SILENCE)] = round(_DEFAULT.min_silence_seconds * _SECOND)
    prefix_padding_ms: Annotated[int, Meta(ge=0, le=_MOST_PADDING)] = round(_DEFAULT.padding_seconds * _SECOND)


def read_chunking(texts: dict[str, list[str]]) -> VadOptions | None:
    """What a form says of it, which is taken out of the form; None for nothing.

    Args:
        texts: the form's fields: `chunking_strategy`, `auto` or an object as JSON, or `chunking_strategy[type]` and the
            others, as OpenAI's clients send an object.

    Raises:
        InvalidInputError: it is none, or given twice.
    """
    given = {name: texts.pop(name) for name in list(texts) if name == _NAME or name.startswith(f"{_NAME}[")}
    if not given:
        return None
    if len(given.get(_NAME, [])) == 1 and len(given) == 1:
        text = given[_NAME][0]
        if text == "auto":
            return VadOptions()
        return _options(lambda: msgspec.json.decode(text, type=ServerVad))
    if _NAME in given or any(len(values) != 1 for values in given.values()):
        raise InvalidInputError(f"`{_NAME}` is given twice", field=_NAME)
    fields = {name[len(_NAME) + 1 :].removesuffix("]"): values[0] for name, values in given.items()}
    return _options(lambda: msgspec.convert(fields, ServerVad, strict=False))


def _options(read: Callable[[], ServerVad]) -> VadOptions:
    try:
        told = read()
    except msgspec.MsgspecError:
        raise InvalidInputError(
            f"`{_NAME}` is `auto`, or an object of the type `server_vad` with `threshold` (above 0, below 1),"
            f" `silence_duration_ms` (0 to {_MOST_SILENCE}) and `prefix_padding_ms`"
            f" (0 to {_MOST_PADDING})",
            field=_NAME,
        ) from None
    return VadOptions(told.threshold, told.silence_duration_ms / _SECOND, told.prefix_padding_ms / _SECOND)
