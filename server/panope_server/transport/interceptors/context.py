"""Reads what a gRPC call carries beside its message: request id, deadline, what is said of kept answers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any
from urllib.parse import unquote

import grpc

from panope_backends.errors import Field, InvalidInputError
from panope_registry.access.priority import Priority
from panope_server.access.caller import Caller, certificate_names
from panope_server.access.principal import current_principal
from panope_server.observability.end_user import current_end_user
from panope_server.observability.request_id import current, request_id_from
from panope_server.pipeline.call import HARDWARE, Call
from panope_server.pipeline.hardware import parse_hardware
from panope_server.pipeline.prioritize import HEADER as PRIORITY
from panope_server.tasks.task import Input
from panope_server.tasks.validation import check_length
from panope_server.transport.interceptors.answer_headers import headers_of
from panope_server.transport.interceptors.cache_control import cache_control_of
from panope_server.transport.keep_alive import KEEP_ALIVE, keep_alive_from

#: `true` in the metadata of a call, or as a header of REST, waits while the model is downloaded; the second is the
#: Inference API's word for it.
WAIT = ("x-panope-wait", "x-wait-for-model")

REQUEST_ID = "x-request-id"

#: A user's session, or what else calls belong to: the log of calls keeps it.
SESSION = "x-session-id"

#: Names a request, so that it makes one job however often it is sent.
IDEMPOTENCY_KEY = "idempotency-key"
_MAX_KEY_CHARACTERS = 255

#: Whom the call is for, where its request has no field that says so.
USER = "x-panope-user"

Context = grpc.aio.ServicerContext[Any, Any]

_read: ContextVar[tuple[Context, Mapping[str, str]] | None] = ContextVar("metadata", default=None)


def metadata_of(context: Context) -> Mapping[str, str]:
    """The text metadata of a call; of a repeated key the last value counts.

    Several layers ask for it and gRPC makes it anew each time, so it is kept for the task that answers the call.
    """
    read = _read.get()
    if read is None or read[0] is not context:
        read = context, {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        _read.set(read)
    return read[1]


def caller_of(context: Context) -> Caller:
    """Where a call comes from."""
    peer = str(context.peer())
    kind, _, rest = peer.partition(":")
    if kind == "unix":  # only our own Envoy reaches the socket, which lies in the server's private folder
        return Caller(metadata_of(context), is_edge=True)
    address = unquote(rest).rpartition(":")[0].strip("[]")
    return Caller(metadata_of(context), address, shown=partial(_names_of, context))


def _names_of(context: Context) -> Sequence[str]:
    """The names of the certificate that the other end of the connection has shown."""
    facts = context.auth_context()

    def texts(name: str) -> Iterator[str]:
        return (value.decode("ascii", "replace") for value in facts.get(name, ()))

    return certificate_names(texts("peer_uri"), texts("peer_dns"), texts("x509_common_name"))


def current_request_id() -> str:
    """The id of the call that this task answers."""
    return current.get()


def request_id_of(context: Context) -> str:
    """The id of a call: the caller's, or the one that it was given when it began."""
    return current.get() or request_id_from(metadata_of(context).get(REQUEST_ID))


def deadline_of(context: Context) -> float | None:
    """When the caller stops waiting, on `time.monotonic`'s clock; None when it set no deadline."""
    remaining: float | None = context.time_remaining()
    # gRPC tells "none" as a time centuries away.
    return None if remaining is None or remaining > 1e8 else time.monotonic() + remaining


def call_for(
    context: Context,
    *,
    model: str,
    task_input: Input,
    task: str,
    interface: str,
    hardware: str | Sequence[str] | None = None,
) -> Call:
    """The pipeline's form of a gRPC call, of which `hardware` is what the body of its request asks for, if it does."""
    metadata = metadata_of(context)
    return Call(
        requested_model=model,
        input=task_input,
        task=task,
        interface=interface,
        request_id=request_id_of(context),
        deadline=deadline_of(context),
        caller=_flow_of(context),
        asked_priority=_asked_priority(metadata),
        wait=_waits(metadata),
        session=_word(metadata, SESSION),
        user=current_end_user() or _word(metadata, USER),
        cache_control=cache_control_of(metadata),
        headers=headers_of(context),
        keep_alive=keep_alive_from(metadata.get(KEEP_ALIVE, ""), KEEP_ALIVE),
        hardware=_hardware(metadata.get(HARDWARE), hardware),
        hardware_field="hardware" if hardware else HARDWARE,
    )


def idempotency_key_of(context: Context) -> str:
    """The name that a caller has given to its request; empty for none. InvalidInputError for one that is too long."""
    key = metadata_of(context).get(IDEMPOTENCY_KEY, "")
    check_length(key, IDEMPOTENCY_KEY, _MAX_KEY_CHARACTERS)
    return key


def _flow_of(context: Context) -> str:
    """Whose turns the call waits for: its key's, else those of the address that it came from."""
    return current_principal().flow or caller_of(context).address


def _hardware(header: str | None, body: str | Sequence[str] | None) -> tuple[str, ...]:
    """The backends that a call asks for, by its header or its body; InvalidInputError where they differ."""
    of_header = parse_hardware(header, HARDWARE) if header else ()
    of_body = parse_hardware(body, "hardware") if body else ()
    if of_header and of_body and of_header != of_body:
        raise InvalidInputError.at("hardware", "{field} asks for other backends than {header}", header=Field(HARDWARE))
    return of_header or of_body


def _asked_priority(metadata: Mapping[str, str]) -> Priority | None:
    word = metadata.get(PRIORITY)
    return Priority.parse(word, PRIORITY) if word else None


def _word(metadata: Mapping[str, str], name: str) -> str:
    """A word of the caller's own, such as what the call belongs to; InvalidInputError for one that is too long."""
    word = metadata.get(name, "")
    check_length(word, name)
    return word


def _waits(metadata: Mapping[str, str]) -> bool:
    for name in WAIT:
        given = metadata.get(name)
        if given not in (None, "", "true", "false"):
            raise InvalidInputError(f"`{name}` must be `true` or `false`", field=name)
        if given == "true":
            return True
    return False
