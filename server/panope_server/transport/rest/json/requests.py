"""The JSON bodies of requests, out of `google.api.HttpBody`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar

import msgspec
from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import InvalidInputError
from panope_server.transport.errors import HTTP_STATUS
from panope_server.transport.json_errors import UNKNOWN_FIELD, malformed, misfit
from panope_server.transport.rest.json.duplicates import names_in, refuse_duplicates
from panope_server.transport.rest.json.refusals import Refusals
from panope_server.transport.rest.json.unknown_fields import UnknownFields

T = TypeVar("T")

_REFUSED = UnknownFields(report=False)
_NONE_REFUSED = Refusals({})
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
P = ParamSpec("P")

JSON = "application/json"

UNSUPPORTED_MEDIA_TYPE = 415

#: Reading a body of this size takes about a millisecond; larger ones are read in a thread.
LARGE_BYTES = 256 << 10

#: For bodies alone: whatever hangs elsewhere, they do not wait for it.
_THREADS = ThreadPoolExecutor(4, "bodies")


class RequestBody(Generic[T]):
    """Reads bodies of one schema, a msgspec Struct that forbids unknown fields.

    Args:
        schema: of the bodies.
        refusals: the fields that it does not have and that are refused with a reason.
    """

    def __init__(self, schema: type[T], refusals: Refusals = _NONE_REFUSED) -> None:
        self._schema = schema
        self._refusals = refusals
        self._decoder = msgspec.json.Decoder(schema)
        self._names = names_in(schema)

    def read(self, body: HttpBody, unknown: UnknownFields = _REFUSED) -> T:
        """The body's value.

        Args:
            body: as it was sent.
            unknown: takes the fields that the schema does not have.

        Raises:
            InvalidInputError: another content type, no JSON, JSON of another shape, or a field that is given twice.
        """
        _check_content_type(body.content_type)
        if not body.data:
            raise InvalidInputError("the body is empty; send a JSON object", reason="invalid_json")
        _check_utf8(body.data)
        value = self._decoded(body.data, unknown)
        if self._names is None or any(body.data.count(name) > 1 for name in self._names):
            refuse_duplicates(body.data.lstrip())
        return value

    def _decoded(self, data: bytes, unknown: UnknownFields) -> T:
        try:
            return decoded(self._decoder, data, self._schema)
        except InvalidInputError as error:
            if error.reason != UNKNOWN_FIELD:
                raise
            refusal = error
        # The reader stopped at the first unknown field; what follows it may be no JSON at all.
        fields = decoded(_OBJECT, data, dict)
        known = self._refusals.without(fields)
        if len(known) < len(fields):
            return self._decoded(msgspec.json.encode(known), unknown)
        return decoded(self._decoder, unknown.without(data, self._schema, refusal), self._schema)


def decoded(decoder: msgspec.json.Decoder[T], data: bytes | msgspec.Raw, schema: Any, prefix: str = "") -> T:
    """Decodes JSON; `prefix` is where in the body it stands."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise misfit(error, schema, prefix) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error, bytes(data)) from None


async def off_loop(size: int, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Runs `work`, in a thread when the body that it works on is large.

    One call into a C decoder keeps the interpreter's lock to its end, so `work` should be many small ones.
    """
    if size <= LARGE_BYTES:
        return work(*arguments, **named)
    return await asyncio.get_running_loop().run_in_executor(_THREADS, partial(work, *arguments, **named))


def refuse_content(body: HttpBody) -> None:
    """For methods that need no body but, as POSTs, the content type that pages of other sites cannot send unasked."""
    _check_content_type(body.content_type)
    if body.data.strip() not in {b"", b"{}"}:
        raise InvalidInputError("this method takes no fields; send `{}`", reason=UNKNOWN_FIELD)


def _check_utf8(data: bytes) -> None:
    """The reader of JSON looks at the bytes of texts where it makes texts of them, and passes over those of a `Raw`."""
    try:
        data.isascii() or data.decode()
    except UnicodeDecodeError as error:
        raise malformed(error, data) from None


def _check_content_type(given: str) -> None:
    # Pages of other sites can send text/plain and forms without asking first; a server without keys must refuse them.
    if given.partition(";")[0].strip().lower() != JSON:
        raise InvalidInputError(
            f"send the header `content-type: {JSON}`",
            reason="unsupported_content_type",
            details={HTTP_STATUS: str(UNSUPPORTED_MEDIA_TYPE)},
        )
