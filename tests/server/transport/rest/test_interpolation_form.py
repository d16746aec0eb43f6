"""The form of a video that gets more frames, field by field."""

from __future__ import annotations

import pytest

from panope_backends.errors import InvalidInputError
from panope_server.transport.rest.forms.multipart import Form
from panope_server.transport.rest.json.unknown_fields import UnknownFields
from panope_server.transport.rest.video.interpolation import read_interpolation

FILE = {"file": b"mp4"}


def test_every_field_is_honoured() -> None:
    texts = {"model": ["acme/rife"], "factor": ["4"], "frames_per_second": ["59.94"], "output_format": ["webm"]}
    found, told = read_interpolation(Form(texts, FILE), UnknownFields(report=False))
    assert (found.video, found.factor, found.frames_per_second, found.output_format) == (b"mp4", 4, 59.94, "webm")
    assert told.model == "acme/rife"


@pytest.mark.parametrize(
    ("texts", "files", "field", "message"),
    [
        ({}, {}, "file", "missing"),
        ({"file": ["mp4"]}, {}, "file", "missing"),
        ({"file": ["mp4"]}, FILE, "file", "must be a file"),
        ({}, FILE | {"factor": b"4"}, "factor", "must be a text"),
        ({"factor": ["2", "4"]}, FILE, "factor", "given twice"),
        ({"factor": ["17"]}, FILE, "factor", "16"),
        ({"factor": ["x"]}, FILE, "factor", "`factor` must be an integer$"),
        ({"frames_per_second": ["nan"]}, FILE, "frames_per_second", "number"),
        ({"fps": ["60"]}, FILE, "fps", "unknown field"),
        ({}, FILE | {"mask": b"png"}, "mask", "unknown field"),
    ],
)
def test_what_is_refused_is_named(
    texts: dict[str, list[str]], files: dict[str, bytes], field: str, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message) as refused:
        read_interpolation(Form(texts, files), UnknownFields(report=False))
    assert refused.value.field == field
