"""Query parameters, read from the path that Envoy keeps: parameters that no one reads are refused by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl

from panope_backends.errors import InvalidInputError
from panope_server.transport.interceptors.context import Context, metadata_of
from panope_server.transport.rest.json.unknown_fields import UnknownFields

_MAX_NAME = 64

_REFUSED = UnknownFields(report=False)


#: Envoy takes parameters of these names for the variables of paths, and for the body, so they are never passed over.
_OF_PATHS = ("model", "task", "body", "job", "alias", "video")


def query_of(context: Context, known: Collection[str] = (), unknown: UnknownFields = _REFUSED) -> dict[str, str]:
    """The parameters of a request.

    Args:
        context: of the call.
        known: the parameters that the method reads.
        unknown: takes all others.

    Raises:
        InvalidInputError: a parameter that is not known, or one given twice.
    """
    return parameters_of(metadata_of(context).get("x-envoy-original-path", "").partition("?")[2], known, unknown)


def parameters_of(text: str, known: Collection[str], unknown: UnknownFields = _REFUSED) -> dict[str, str]:
    """The parameters of a query, which is what follows the `?`; as `query_of`."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        shown = name[:_MAX_NAME]
        if name not in known:
            refusal = InvalidInputError(f"unknown query parameter `{shown}`", field=shown, reason="unknown_field")
            if name.partition(".")[0] in _OF_PATHS:
                raise refusal
            unknown.add(f"?{name}", refusal)
            continue
        if name in found:
            raise InvalidInputError(f"query parameter `{shown}` is given twice", field=shown)
        found[name] = value
    return found


def unknown_of(context: Context, known: Collection[str] = (), *, report: bool) -> UnknownFields:
    """What takes a call's unknown fields, and has taken the unknown parameters of its query already.

    Args:
        context: of the call.
        known: parameters that the method takes.
        report: whether what is unknown is passed over and told of.
    """
    unknown = UnknownFields(report=report)
    query_of(context, known, unknown)
    return unknown


def number_of(query: Mapping[str, str], name: str, *, default: int, least: int = 0, most: int = 1 << 53) -> int:
    """A parameter that is a whole number; InvalidInputError when it is none, or out of its range."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()) or len(text) > 18 or not least <= int(text) <= most:
        raise InvalidInputError(f"`{name}` must be a whole number from {least:,} to {most:,}", field=name)
    return int(text)


def text_of(query: Mapping[str, str], name: str, *, most: int) -> str:
    """A parameter of so many characters at most; empty when it is not given, InvalidInputError when it is longer."""
    text = query.get(name, "")
    if len(text) > most:
        raise InvalidInputError(f"`{name}` must have at most {most:,} characters", field=name)
    return text


def boolean_of(query: Mapping[str, str], name: str) -> bool | None:
    """A parameter that is `true` or `false`; None when it is not given, InvalidInputError when it is anything else."""
    text = query.get(name)
    if text not in (None, "true", "false"):
        raise InvalidInputError(f"`{name}` must be `true` or `false`", field=name)
    return None if text is None else text == "true"
