"""JSON files of a model's folder, read into types: an unknown key and a wrong type are refused by file and name."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from panope_backends.errors import PreconditionError
from panope_backends.model_facts.whole_numbers import LongNumberError, whole_number

T = TypeVar("T", bound=msgspec.Struct)

#: Of a name that a file gives; the rest is left out of messages.
SHOWN_CHARACTERS = 80


def read_json(path: Path, *, missing_ok: bool = False, name: str = "") -> dict[str, Any]:
    """A JSON object from a file; empty when the file is missing and may be.

    Args:
        path: of the file.
        missing_ok: whether it may be missing.
        name: of the file, for messages; empty for its own, which of a module's would not tell whose it is.

    Raises:
        PreconditionError: there is no such file, or it holds no JSON object.
    """
    content = read_any_json(path, missing_ok=missing_ok, name=name)
    if not isinstance(content, dict):
        raise PreconditionError(f"{shown(name or path.name)} does not hold a JSON object")
    return content


def read_typed(path: Path, kind: type[T]) -> T:
    """A module's file as a `kind`, told by its folder and its name; see `typed`.

    Raises:
        PreconditionError: it is missing or broken, or as of `typed`.
    """
    name = f"{path.parent.name}/{path.name}"
    return typed(read_json(path, name=name), kind, name)


def read_any_json(path: Path, *, missing_ok: bool = False, name: str = "") -> Any:
    """What a JSON file holds; an empty object when it is missing and may be. Arguments as of `read_json`.

    Raises:
        PreconditionError: there is no such file, or it holds no JSON.
    """
    name = shown(name or path.name)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        if missing_ok:
            return {}
        raise PreconditionError(f"the model has no {name}") from None
    except (ValueError, OSError):  # a name that no file can have, a folder, a device that fails
        raise PreconditionError(f"{name} cannot be read in the folder `{shown(path.parent.name)}`") from None
    try:
        return json.loads(content.decode(), parse_int=whole_number)
    except LongNumberError as error:
        raise PreconditionError(f"{name} holds a number of {error.digits:,} digits") from None
    except (ValueError, RecursionError):
        raise PreconditionError(f"{name} is not valid JSON") from None


def typed(content: Mapping[str, Any], kind: type[T], name: str) -> T:
    """The content as a `kind`, whose fields are all keys that Panope knows.

    Args:
        content: of the file.
        kind: a field that has no effect on embeddings is there so that it is known.
        name: of the file, for messages.

    Raises:
        PreconditionError: names the file and the key that is unknown or of another type.
    """
    fields = msgspec.structs.fields(kind)
    refuse_unknown(content, {field.encode_name for field in fields}, name)
    for field in fields:
        value = content.get(field.encode_name)
        if value is not None:
            try:
                msgspec.convert(value, field.type)
            except msgspec.ValidationError:
                raise PreconditionError(f"{name} has a value of the wrong type for `{field.encode_name}`") from None
    return msgspec.convert({key: value for key, value in content.items() if value is not None}, kind)


def refuse_unknown(content: Mapping[str, Any], known: Collection[str], name: str, inside: str = "") -> None:
    """Refuses a key that might change what a model computes and that Panope does not know.

    Args:
        content: of the file or of an object in it.
        known: the keys that may be there.
        name: of the file, for messages.
        inside: the object in the file, such as `processing_kwargs.text`.

    Raises:
        PreconditionError: names the file and the key.
    """
    unknown = sorted(str(key) for key in content if key not in known)
    if unknown:
        key = f"{inside}.{unknown[0]}" if inside else unknown[0]
        raise PreconditionError(f"{name} sets `{shown(key)}`, which Panope does not know")


def shown(value: object) -> str:
    """What a file says, for a message: one line of bounded length."""
    text = " ".join(str(value).split())
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
