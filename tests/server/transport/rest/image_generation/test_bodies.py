"""What OpenAI's bodies of images ask for: what is honoured, and what is refused by its name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import InvalidInputError
from panope_server.tasks.vision.image_generation import ImageGenerationInput
from panope_server.tasks.vision.images import Image
from panope_server.transport.rest.forms.multipart import Form
from panope_server.transport.rest.image_generation.edits import read_edit
from panope_server.transport.rest.image_generation.openai_schemas import REFUSED, ImageGenerationBody, input_of
from panope_server.transport.rest.json.refusals import Refusals
from panope_server.transport.rest.json.requests import RequestBody
from panope_server.transport.rest.json.unknown_fields import UnknownFields

BODY = RequestBody(ImageGenerationBody, Refusals(REFUSED))


def generation(**fields: Any) -> ImageGenerationInput:
    body = HttpBody(content_type="application/json", data=json.dumps({"prompt": "a fox"} | fields).encode())
    return input_of(BODY.read(body))


def edit(**texts: str) -> ImageGenerationInput:
    fields = {"prompt": "a fox"} | texts
    form = Form({name: [text] for name, text in fields.items()}, {"image": b"file"})
    return read_edit(form, UnknownFields(report=False))[0]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ImageGenerationInput("a fox")),
        ({"size": "auto", "quality": "auto", "background": "opaque", "stream": False}, ImageGenerationInput("a fox")),
        ({"size": "640x480", "n": 2}, ImageGenerationInput("a fox", width=640, height=480, count=2)),
        (
            {"output_format": "webp", "output_compression": 0},
            ImageGenerationInput("a fox", output_format="webp", quality=1),
        ),
        (
            {"negative_prompt": "snow", "steps": 4, "guidance_scale": 3, "seed": 5},
            ImageGenerationInput("a fox", "snow", steps=4, guidance_scale=3.0, seed=5),
        ),
    ],
)
def test_a_body_asks_for_what_it_says(fields: dict[str, Any], expected: ImageGenerationInput) -> None:
    assert generation(**fields) == expected
    edited = edit(**{name: str(value).lower() for name, value in fields.items()})
    assert edited.image == Image(content=b"file")
    edited.image = None
    assert edited == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("response_format", "url"),
        *((name, "high") for name in ("quality", "input_fidelity", "complexity")),
        *(("background", "transparent"), ("stream", True), ("partial_images", 1), ("style", "vivid")),
        *(("moderation", "low"), ("size", "0x10"), ("size", "10"), ("size", "640x480\n"), ("n", 0), ("n", 11)),
        ("output_format", "gif"),
        *(("output_compression", 101), ("steps", 0), ("guidance_scale", 101), ("seed", -1), ("colour", "red")),
    ],
)
def test_what_is_not_honoured_is_refused_by_its_name(field: str, value: Any) -> None:
    for refused in (lambda: generation(**{field: value}), lambda: edit(**{field: str(value).lower()})):
        with pytest.raises(InvalidInputError) as error:
            refused()
        assert error.value.field == field


def test_a_mask_is_what_is_transparent_and_files_may_be_named_as_lists() -> None:
    form = Form({"prompt": ["a fox"], "strength": ["0.5"]}, {"image[]": b"file", "mask": b"mask"})
    asked, _ = read_edit(form, UnknownFields(report=False))
    assert (asked.image, asked.mask) == (Image(content=b"file"), Image(content=b"mask"))
    assert (asked.mask_is_transparency, asked.strength) == (True, 0.5)


@pytest.mark.parametrize(
    ("form", "field"),
    [
        (Form({"prompt": ["a"]}, {}), "image"),
        (Form({}, {"image": b"file"}), "prompt"),
        (Form({"prompt": ["a"], "image": ["b"]}, {"image": b"file"}), "image"),
        (Form({"prompt": ["a", "b"]}, {"image": b"file"}), "prompt"),
        (Form({"prompt": ["a"]}, {"image": b"file", "picture": b"file"}), "picture"),
        (Form({"prompt": ["a"]}, {"image": b"file", "markup": b"file"}), "markup"),
    ],
)
def test_a_form_without_what_it_needs_is_refused_by_name(form: Form, field: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        read_edit(form, UnknownFields(report=False))
    assert error.value.field == field
