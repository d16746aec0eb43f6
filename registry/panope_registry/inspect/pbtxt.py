"""Reads Triton's config.pbtxt, by the reader that workers have too."""

from __future__ import annotations

from typing import Any

from panope_backends.errors import PreconditionError
from panope_backends.python_models.config_text import MAX_BYTES, ConfigError, parse_config
from panope_backends.python_models.layout import CONFIG_FILE as FILE
from panope_registry.inspect.documents import broken
from panope_registry.inspect.file_bytes import Header, forward
from panope_registry.names import shown

__all__ = ["FILE", "MAX_BYTES", "read_config"]


def read_config(file: Header, path: str = FILE) -> Any:
    """Returns the configuration in a file, as a message with Triton's fields.

    Raises:
        InvalidInputError: it is none, or asks for a field that Triton has not; the message names `path` and the line.
        PreconditionError: it cannot be read.
    """
    try:
        with forward(file) as stream:
            data = stream.read(MAX_BYTES + 1)
    except PermissionError:
        raise PreconditionError(f"`{shown(path)}` cannot be read", reason="unreadable_file") from None
    try:
        return parse_config(data)
    except ConfigError as error:
        raise broken(path, shown(str(error))) from None
