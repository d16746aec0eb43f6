"""Bytes in a `data:` URL (RFC 2397), as JSON callers send them."""

from __future__ import annotations

import base64
import binascii
import re

from panope_backends.errors import InvalidInputError

#: The head of a URL whose data are base64, which is the only form that is read.
_HEAD = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[\w.+-]+)*;base64,", re.IGNORECASE)
_HEAD_CHARACTERS = 256

#: Base64 takes four characters for three bytes.
_CHARACTERS, _BYTES = 4, 3


def read_data_url(url: str, field: str, max_bytes: int) -> bytes:
    """The bytes of a URL; its media type says nothing, for files are told by their content.

    Args:
        url: `data:`, a media type or none, `;base64,` and the data, strictly in base64.
        field: of the request that holds it.
        max_bytes: that it may hold.

    Raises:
        InvalidInputError: it is no such URL, its data are not base64, or too long.
    """
    head = _HEAD.match(url[:_HEAD_CHARACTERS])
    if head is None:
        raise InvalidInputError.at(field, "{field} is no URL of the form `data:…;base64,…`")
    size = (len(url) - head.end()) // _CHARACTERS * _BYTES
    if size > max_bytes + _BYTES:
        raise too_long(field, size, max_bytes)
    try:
        return base64.b64decode(url[head.end() :].encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise InvalidInputError.at(field, "{field} holds data that are not base64") from None


def too_long(field: str, size: int, limit: int) -> InvalidInputError:
    """The refusal of a file of too many bytes."""
    return InvalidInputError.at(field, "{field} has {size:,} bytes; the limit is {limit:,}", size=size, limit=limit)
