"""The form of a video that gets more frames."""

from __future__ import annotations

from typing import Annotated

from google.api.httpbody_pb2 import HttpBody
from msgspec import Meta, Struct

from panope_backends.errors import InvalidInputError
from panope_server.pipeline.call import Call
from panope_server.tasks.vision.frame_interpolation import (
    MAX_FACTOR,
    MAX_FRAMES_PER_SECOND,
    MIN_FACTOR,
    FrameInterpolationInput,
)
from panope_server.tasks.vision.video_generation import VideoFormat
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.rest.forms.multipart import Form, read_form
from panope_server.transport.rest.forms.texts import read_texts, unknown_field
from panope_server.transport.rest.json.requests import off_loop
from panope_server.transport.rest.json.unknown_fields import UnknownFields

_FILE = "file"


class VideoInterpolationForm(Struct, forbid_unknown_fields=True):
    """The form of POST /v1/video/interpolate.

    Attributes:
        file: The video: MP4, MOV, WebM, Matroska or AVI, told by its content.
        model: One of the task `frame-interpolation`; absent for the default model.
        factor: How many frames there are for each that there was; absent for 2, or where `frames_per_second` says it.
        frames_per_second: How many are shown in a second, in the place of `factor`.
        output_format: Of the file that comes back.
    """

    file: Annotated[str, Meta(extra_json_schema={"format": "binary"})]
    model: str | None = None
    factor: Annotated[int, Meta(ge=MIN_FACTOR, le=MAX_FACTOR)] | None = None
    frames_per_second: Annotated[float, Meta(ge=1, le=MAX_FRAMES_PER_SECOND)] | None = None
    output_format: VideoFormat = "mp4"


_TEXTS = frozenset(VideoInterpolationForm.__struct_fields__) - {_FILE}

INTERPOLATION_NAMES = {"video": _FILE}
"""Names of the form by those of the input."""


async def interpolation_call(
    request: HttpBody, context: Context, unknown: UnknownFields, interface: str
) -> tuple[Call, VideoFormat]:
    """The call that a form asks for, and of which format its file is.

    Raises:
        InvalidInputError: as of `read_interpolation`.
    """
    form = await off_loop(len(request.data), read_form, request)
    task_input, told = read_interpolation(form, unknown)
    model, task = told.model or "", "frame-interpolation"
    return call_for(context, model=model, task_input=task_input, task=task, interface=interface), told.output_format


def read_interpolation(form: Form, unknown: UnknownFields) -> tuple[FrameInterpolationInput, VideoInterpolationForm]:
    """The input of a form, and its texts.

    Raises:
        InvalidInputError: a field is missing, given twice, unknown, or has a wrong value.
    """
    if _FILE not in form.files:
        raise InvalidInputError(f"`{_FILE}` is missing: send the video as a file", field=_FILE)
    for name in form.files:
        if name in _TEXTS:
            raise InvalidInputError(f"`{name}` must be a text", field=name)
        if name != _FILE:
            unknown.add(name, unknown_field(name))
    told = read_texts(
        form,
        VideoInterpolationForm,
        lambda name, _: unknown.add(name, unknown_field(name)),
        files=(_FILE,),
        given={_FILE: ""},
    )
    task_input = FrameInterpolationInput(
        form.files[_FILE], told.factor or 0, told.frames_per_second or 0.0, told.output_format
    )
    return task_input, told
