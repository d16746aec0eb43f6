"""Reads a model's JSON files: small, strict about form, and clear about where one is broken."""

from __future__ import annotations

import json
from typing import Any

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.model_facts.whole_numbers import whole_number
from panope_registry.inspect.file_bytes import Header, forward, size_of
from panope_registry.names import shown

MAX_BYTES = 16 << 20


def read_object(file: Header, path: str) -> dict[str, Any]:
    """Returns the JSON object in a file.

    Raises:
        InvalidInputError: it is none; the message names `path` and the line.
    """
    document = read_json(file, path)
    if not isinstance(document, dict):
        raise broken(path, "it is not a JSON object")
    return document


def read_json(file: Header, path: str) -> Any:
    """Returns the JSON document in a file; raises as `read_object` does."""
    try:
        if size_of(file) > MAX_BYTES:
            raise broken(path, f"it is larger than {MAX_BYTES >> 20} MiB")
        return json.loads(_whole(file), parse_int=whole_number)
    except json.JSONDecodeError as error:
        raise broken(path, f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except UnicodeDecodeError:
        raise broken(path, "it is not UTF-8 text") from None
    except RecursionError:
        raise broken(path, "it is nested too deep") from None
    except ValueError:  # what `whole_number` refuses
        raise broken(path, "it holds a number that is too long") from None
    except PermissionError:
        raise PreconditionError(f"`{shown(path)}` cannot be read", reason="unreadable_file") from None


def _whole(file: Header) -> bytes:
    with forward(file) as stream:
        return stream.read(MAX_BYTES)


def broken(path: str, problem: str) -> InvalidInputError:
    """Returns the error for a file whose content is not what its name says."""
    return InvalidInputError(f"`{shown(path)}` is broken: {problem}", field="folder", reason="broken_file")
