"""Bodies of the classifying routes that hold a video: which model they are for, and what is refused by its place."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import InvalidInputError, NotFoundError
from panope_server.config import Limits, MediaLimits
from panope_server.pipeline.call import Call
from panope_server.tasks.catalog import task_of
from panope_server.tasks.classify import LabelScore
from panope_server.tasks.task import Output
from panope_server.tasks.vision.classify_video import ClassifyVideoInput, ClassifyVideoOutput
from panope_server.transport.rest.classification.servicer import ClassificationServicer

VIDEO = base64.b64encode(b"video").decode()
CONTEXT = cast(
    "Any",
    SimpleNamespace(
        invocation_metadata=lambda: (), peer=lambda: "unix:", time_remaining=lambda: None, auth_context=dict
    ),
)
LIMITS = Limits(media=MediaLimits(max_video_bytes=8))


class Answering:
    """Checks inputs as the step `validate` does, and sees someone jump."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def run(self, call: Call) -> Output:
        task_of(call.input).validate(call.input, LIMITS)
        self.calls.append(call)
        return ClassifyVideoOutput([LabelScore("jumps", 0.75), LabelScore("sits", 0.25)], 20, [0, 10])


class Models:
    """Knows a model of videos, which is the default one."""

    async def get(self, model: str) -> Any:
        if model != "acme/videos":
            raise NotFoundError("there is none")
        return SimpleNamespace(task="classify", architecture="VideoMAEForVideoClassification")

    async def default_for(self, task: str) -> str | None:
        return "acme/videos" if task == "classify" else None


async def answered(sent: HttpBody) -> tuple[object, Call]:
    pipeline = Answering()
    servicer = ClassificationServicer(cast("Any", pipeline), cast("Any", Models()))
    message = await servicer.Classify(sent, CONTEXT)
    return msgspec.json.decode(message.data), pipeline.calls[0]


def body(**fields: object) -> HttpBody:
    return HttpBody(content_type="application/json", data=msgspec.json.encode({"inputs": VIDEO, **fields}))


LABELS = [{"label": "jumps", "score": 0.75}, {"label": "sits", "score": 0.25}]


async def test_a_body_may_be_the_file():
    told, call = await answered(HttpBody(content_type="video/mp4", data=b"video"))
    assert (told, call.input, call.task) == (LABELS, ClassifyVideoInput(b"video"), "classify")


async def test_json_for_a_model_of_videos_holds_one_or_names_it():
    told, call = await answered(body(model="acme/videos", parameters={"top_k": 1, "function_to_apply": "sigmoid"}))
    assert (told, call.model) == (LABELS, "acme/videos")
    assert call.input == ClassifyVideoInput(b"video", "sigmoid", 1)
    _, call = await answered(body(inputs="data:video/mp4;base64,dmlkZW8="))
    assert call.input == ClassifyVideoInput(b"", url="data:video/mp4;base64,dmlkZW8=")


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        (HttpBody(content_type="video/mp4"), "the body is empty"),
        (HttpBody(content_type="video/mp4", data=bytes(9)), "`inputs` has 9 bytes; the limit is 8"),
        (body(inputs="!"), "`inputs` is no base64"),
        (body(inputs="ftp://a"), "`inputs` must be a `data:` URL, or one of https or http"),
        (body(parameters={"candidate_labels": ["a"]}), r"`parameters.candidate_labels` is of texts and images"),
        (body(parameters={"top_k": 0}), r"parameters.top_k"),
    ],
)
async def test_what_is_wrong_is_told_by_its_place(sent, complaint):
    with pytest.raises(InvalidInputError, match=complaint):
        await answered(sent)
