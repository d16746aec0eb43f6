"""Hugging Face's routes of audio: a body is the file itself, or JSON with the file in base64 or by its URL."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import InvalidInputError
from panope_server.tasks.links import SCHEME_CHARACTERS, file_url
from panope_server.tasks.speech.audio import AudioInput
from panope_server.tasks.task import Output
from panope_server.transport.errors import HTTP_STATUS
from panope_server.transport.rest.hugging_face.schemas import CallOptions
from panope_server.transport.rest.json.requests import JSON, UNSUPPORTED_MEDIA_TYPE, RequestBody
from panope_server.transport.rest.json.unknown_fields import UnknownFields

ParametersT = TypeVar("ParametersT")
InputT = TypeVar("InputT", bound=AudioInput)
OutputT = TypeVar("OutputT", bound=Output)

#: Pages of other sites cannot send these without asking first.
_FILES = ("audio/", "video/", "application/octet-stream", "application/ogg")


class AudioFile(NamedTuple):
    """A file, or where it is.

    Attributes:
        content: of the file.
        url: of it; empty where its content is known.
    """

    content: bytes
    url: str = ""


class AudioAsked(NamedTuple, Generic[ParametersT, InputT]):
    """What a body asks for.

    Attributes:
        task_input: of the call.
        parameters: of the body, or their defaults.
        model: of the body; None where it names none.
        options: of the body.
    """

    task_input: InputT
    parameters: ParametersT
    model: str | None = None
    options: CallOptions | None = None


@dataclass(frozen=True, kw_only=True)
class AudioRoute(Generic[ParametersT, InputT, OutputT]):
    """What one route means.

    Attributes:
        task: that it runs.
        body: how its JSON is read, which has `inputs`, `model`, `parameters` and `options`.
        parameters: those of a body that has none.
        task_input: of a file and parameters.
        output: of the task.
        names: what a body with these parameters calls a field of the task's input.
        answer: of the task's output and input, as JSON writes it.
    """

    task: str
    body: RequestBody[Any]
    parameters: Callable[[], ParametersT]
    task_input: Callable[[AudioFile, ParametersT], InputT]
    output: type[OutputT]
    names: Callable[[ParametersT], Callable[[str], str]]
    answer: Callable[[OutputT, InputT], object]

    def read(self, body: HttpBody, unknown: UnknownFields, *, from_page: bool) -> AudioAsked[ParametersT, InputT]:
        """What a body asks for.

        Args:
            body: as it was sent.
            unknown: takes the fields that the schema does not have.
            from_page: whether a page sent it: those of other sites can send bodies without a type unasked, while
                Hugging Face's client sends files so.

        Raises:
            InvalidInputError: it is of another content type, empty, or has a field with a wrong value.
        """
        sent = _file_of(body, from_page=from_page)
        if sent is not None:
            parameters = self.parameters()
            return AudioAsked(self.task_input(sent, parameters), parameters)
        told = self.body.read(body, unknown)
        parameters = told.parameters or self.parameters()
        return AudioAsked(self.task_input(_file_in(told.inputs), parameters), parameters, told.model, told.options)


def _file_of(body: HttpBody, *, from_page: bool) -> AudioFile | None:
    """The file that a body is; None for JSON."""
    kind = body.content_type.partition(";")[0].strip().lower()
    if kind.startswith(_FILES) or not (kind or from_page):
        if not body.data:
            raise InvalidInputError("the body is empty; send an audio file", field="inputs")
        return AudioFile(bytes(body.data))
    if kind != JSON:
        raise InvalidInputError(
            f"send the file, with the header `content-type: audio/wav` or of its kind, or `{JSON}`",
            reason="unsupported_content_type",
            details={HTTP_STATUS: str(UNSUPPORTED_MEDIA_TYPE)},
        )
    return None


def _file_in(text: str) -> AudioFile:
    """The file of JSON's `inputs`."""
    if ":" in text[:SCHEME_CHARACTERS]:
        return AudioFile(b"", file_url(text, "inputs"))
    try:
        return AudioFile(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        raise InvalidInputError("`inputs` is no base64", field="inputs") from None
