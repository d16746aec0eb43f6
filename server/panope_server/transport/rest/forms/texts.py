"""The texts of a form as the fields of a schema."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import msgspec

from panope_backends.errors import InvalidInputError
from panope_server.transport.json_errors import misfit
from panope_server.transport.rest.forms.multipart import Form

S = TypeVar("S", bound=msgspec.Struct)


def unknown_field(name: str) -> InvalidInputError:
    """What is told of a field that the form does not have."""
    shown = name[:64]
    return InvalidInputError(f"unknown field `{shown}`", field=shown, reason="unknown_field")


def read_texts(
    form: Form,
    schema: type[S],
    refuse: Callable[[str, str], None],
    *,
    files: Collection[str] = (),
    given: Mapping[str, Any] | None = None,
) -> S:
    """Reads the texts; what stands in a form is text, numbers too.

    Args:
        form: as it came.
        schema: of its texts.
        refuse: what is called with a name that the schema does not have, and the first text of it.
        files: names that are of files alone.
        given: values beside.

    Raises:
        InvalidInputError: a field is missing, given twice, a text in the place of a file, or has a wrong value.
    """
    found: dict[str, Any] = dict(given or {})
    for name, values in form.texts.items():
        if name in files:
            raise InvalidInputError(f"`{name}` must be a file", field=name)
        if name not in schema.__struct_fields__:
            refuse(name, values[0])
        elif len(values) > 1:
            raise InvalidInputError(f"`{name}` is given twice", field=name)
        else:
            found[name] = values[0]
    try:
        return msgspec.convert(found, schema, strict=False)
    except msgspec.ValidationError as error:
        raise misfit(msgspec.ValidationError(_of_texts(str(error))), schema, "") from None


def _of_texts(finding: str) -> str:
    """A finding without what is no news of a form: each of its values is a text, and null cannot be written."""
    return finding.replace(" | null`", "`").replace(", got `str`", "")
