"""Forms as `multipart/form-data`, RFC 7578: fields of text, and files.

Written here because the readers that there are work piece by piece, for servers that read slowly, and a body is whole
by now: its parts are found by searching for the boundary, and nothing is copied but the parts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import InvalidInputError
from panope_server.transport.errors import HTTP_STATUS
from panope_server.transport.rest.json.requests import UNSUPPORTED_MEDIA_TYPE

_TYPE = "multipart/form-data"
_BOUNDARY = re.compile(r';\s*boundary=("?)([0-9A-Za-z\'()+_,./:=? -]{1,70})\1\s*(?:;|$)', re.IGNORECASE)
_NAME = re.compile(
    rb'^content-disposition:\s*form-data\b[^\r\n]*?;\s*name="([^"\r\n]{1,200})"', re.IGNORECASE | re.MULTILINE
)
_FILE = re.compile(rb"^content-disposition:[^\r\n]*?;\s*filename\*?=", re.IGNORECASE | re.MULTILINE)

_MOST_PARTS = 64
_MOST_HEADER_BYTES = 4096
_MOST_TEXT_BYTES = 64 << 10


@dataclass(frozen=True)
class Form:
    """A form, by the names of its fields.

    Attributes:
        texts: each value of each field, in their order.
        files: one file a field.
    """

    texts: dict[str, list[str]]
    files: dict[str, bytes]


def read_form(body: HttpBody) -> Form:
    """Reads a body.

    Raises:
        InvalidInputError: it is of another type, no form, or has too many fields.
    """
    boundary = _boundary(body.content_type)
    mark = b"\r\n--" + boundary
    data = b"\r\n" + body.data  # the first boundary may stand at the start
    form = Form({}, {})
    place = data.find(mark)
    count = 0
    while place >= 0:
        begin = place + len(mark)
        if data[begin : begin + 2] == b"--":
            return form
        line = data.find(b"\r\n", begin)
        end = data.find(mark, begin)
        if line < 0 or end < 0 or data[begin:line].strip():
            break
        count += 1
        if count > _MOST_PARTS:
            raise InvalidInputError(f"a form has at most {_MOST_PARTS} fields", reason="invalid_form")
        _add(form, data, line, end)
        place = end
    raise _no_form()


def _boundary(content_type: str) -> bytes:
    if content_type.partition(";")[0].strip().lower() != _TYPE:
        raise InvalidInputError(
            f"send the header `content-type: {_TYPE}`",
            reason="unsupported_content_type",
            details={HTTP_STATUS: str(UNSUPPORTED_MEDIA_TYPE)},
        )
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise InvalidInputError("the header `content-type` has no boundary of the form", reason="invalid_form")
    return found[2].encode()


def _add(form: Form, data: bytes, begin: int, end: int) -> None:
    """Adds the part between two boundaries."""
    split = data.find(b"\r\n\r\n", begin, min(end + 4, begin + _MOST_HEADER_BYTES))
    if split < 0:
        raise _no_form()
    header, content = data[begin:split], data[split + 4 : end]
    named = _NAME.search(header)
    if named is None:
        raise _no_form()
    name = named[1].decode(errors="replace")
    if _FILE.search(header):
        if name in form.files:
            raise InvalidInputError(f"the file `{name}` is given twice", field=name)
        form.files[name] = content
        return
    if len(content) > _MOST_TEXT_BYTES:
        raise InvalidInputError(f"`{name}` has more than {_MOST_TEXT_BYTES:,} bytes", field=name)
    try:
        form.texts.setdefault(name, []).append(content.decode())
    except UnicodeDecodeError:
        raise InvalidInputError(f"`{name}` is no UTF-8", field=name) from None


def _no_form() -> InvalidInputError:
    return InvalidInputError("the body is no form, or is cut before its end", reason="invalid_form")
