"""Classifies for the Inference API's clients: texts, tokens, texts by labels of the caller's own, images and videos."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import InvalidInputError, NotFoundError
from panope_server.pipeline.call import Call
from panope_server.tasks.classify import ClassifyInput, ClassifyOutput
from panope_server.tasks.classify.json_form import labels_value
from panope_server.tasks.classify.types import classifies_images, classifies_videos
from panope_server.tasks.task import Input, Output
from panope_server.tasks.token_classify import IGNORED, Entity, TokenClassifyInput, TokenClassifyOutput
from panope_server.tasks.vision.classify_images import ClassifyImagesInput, ClassifyImagesOutput
from panope_server.tasks.vision.classify_video import ClassifyVideoInput, ClassifyVideoOutput
from panope_server.tasks.vision.images import Image, image_in
from panope_server.tasks.zero_shot import DEFAULT_TEMPLATE, ZeroShotInput, ZeroShotOutput
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Models, Pipeline
from panope_server.transport.rest.classification.inputs import Texts, read_inputs, read_text
from panope_server.transport.rest.classification.schemas import ClassifyBody, ClassifyParameters
from panope_server.transport.rest.classification.videos import is_video, video_in, video_of
from panope_server.transport.rest.embedding.run import answered
from panope_server.transport.rest.hugging_face.calls import call_with, model_of
from panope_server.transport.rest.hugging_face.image_bodies import image_of, is_image
from panope_server.transport.rest.hugging_face.outline import Outline
from panope_server.transport.rest.hugging_face.schemas import CallOptions
from panope_server.transport.rest.hugging_face.truncation import truncation_of
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import json_response
from panope_server.transport.rest.json.unknown_fields import UnknownFields

TEXTS, TOKENS, ZERO_SHOT = "text-classification", "token-classification", "zero-shot-classification"
"""The Inference API's words for the tasks."""

TASKS = {TEXTS: "classify", TOKENS: "token-classify", ZERO_SHOT: "classify"}
"""Each with the task of the models that do it."""

IMAGE_TASKS = frozenset({"image-classification", "zero-shot-image-classification"})
"""Its words for those of images."""

_OWN = {
    TEXTS: ("function_to_apply", "top_k"),
    TOKENS: ("aggregation_strategy", "ignore_labels", "stride"),
    ZERO_SHOT: ("candidate_labels", "hypothesis_template", "multi_label"),
}
_BODY = RequestBody(ClassifyBody)
_NAMES = {
    "texts": "inputs",
    "second_texts": "inputs",
    "images": "inputs",
    "video": "inputs",
    "function": "parameters.function_to_apply",
} | {
    name: f"parameters.{name}"
    for name in ("top_k", "ignore_labels", "stride", "candidate_labels", "hypothesis_template", "multi_label")
}
_NAMES |= {
    "aggregation": "parameters.aggregation_strategy",
    "function": "parameters.function_to_apply",
    "truncation": "parameters.truncate",
}

#: Parameters that nothing else has: `top_k` is one of generation too.
_RECOGNISED = frozenset(name for names in _OWN.values() for name in names) - {"top_k"}


@dataclass(frozen=True)
class Asked:
    """One call.

    Attributes:
        path_model: the model of the path; empty where it names none.
        task: the Inference API's word; empty for what the model and the body say.
        interface: as of `Call`.
    """

    path_model: str
    interface: str
    task: str = ""


class Classifying:
    """Answers bodies of one form, whichever of their tasks they ask for.

    Args:
        pipeline: runs calls.
        models: know the tasks of models.
    """

    def __init__(self, pipeline: Pipeline, models: Models) -> None:
        self._pipeline = pipeline
        self._models = models

    async def answer(self, asked: Asked, request: HttpBody, context: Context, unknown: UnknownFields) -> HttpBody:
        """Reads a body and answers it."""
        if (file := _file_of(request, context)) is not None:
            return await self._labels(_call(asked, asked.path_model, None, context, file), unknown, context)
        body = await off_loop(len(request.data), _BODY.read, request, unknown)
        model = model_of(body.model, asked.path_model)
        parameters = body.parameters or ClassifyParameters()
        sees = await self._sees(model) if not asked.task else "image" if asked.task in IMAGE_TASKS else ""
        if sees:
            text = await off_loop(len(request.data), read_text, body.inputs)
            if sees == "video":
                asks: Input = videos_input_of(await off_loop(len(text), video_in, text), parameters)
            else:
                asks = images_input_of(image_in(text, "inputs"), parameters)
            return await self._labels(_call(asked, model, body.options, context, asks), unknown, context)
        texts = await off_loop(len(request.data), read_inputs, body.inputs)
        task = asked.task or await self._task(model, parameters)
        task_input = input_of(task, texts, parameters)
        call = call_with(
            body.options, context, model=model, task_input=task_input, task=TASKS[task], interface=asked.interface
        )
        output = await answered(self._pipeline, call, _NAMES, single=texts.single)
        unknown.tell(context)
        return json_response(value_of(output, task_input, single=texts.single))

    async def _labels(self, call: Call, unknown: UnknownFields, context: Context) -> HttpBody:
        output = await answered(self._pipeline, call, _NAMES, single=True)
        unknown.tell(context)
        if isinstance(output, ClassifyVideoOutput):
            return json_response(labels_value(output.labels))
        assert isinstance(output, ClassifyImagesOutput)
        return json_response(labels_value(output.images[0]))

    async def recognises(self, path_model: str, outline: Outline, *, generates: bool) -> bool:
        """Whether a body on a path of every task is for a model that classifies.

        Args:
            path_model: the model of the path; empty where it names none.
            outline: of the body.
            generates: whether a model that generates might be meant.
        """
        if outline.parameters & _RECOGNISED:
            return True
        named = path_model or outline.model
        if not named and (generates or await self._models.default_for("embed")):
            return False
        return await self._task_of(named) in TASKS.values()

    async def _task(self, model: str, parameters: ClassifyParameters) -> str:
        if parameters.candidate_labels is not None:
            return ZERO_SHOT
        if not model and (given := next((task for task in (TEXTS, TOKENS) if _given(parameters, task)), "")):
            return given
        # Where there is no such model, the call says so.
        return TOKENS if await self._task_of(model) == TASKS[TOKENS] else TEXTS

    async def _sees(self, model: str) -> str:
        """What a model, or the default one, classifies: `image`, `video`, or empty for neither."""
        try:
            view = await self._models.get(model or await self._models.default_for("classify") or "")
        except NotFoundError:
            return ""
        if view.task != "classify":
            return ""
        if classifies_videos(view.architecture):
            return "video"
        return "image" if classifies_images(view.architecture) else ""

    async def _task_of(self, model: str) -> str:
        """The task of a model, or of the default one; empty where there is none."""
        name = model or await self._models.default_for("classify") or await self._models.default_for("token-classify")
        try:
            return (await self._models.get(name or "")).task
        except NotFoundError:
            return ""


def input_of(task: str, texts: Texts, parameters: ClassifyParameters) -> Input:
    """What a body asks for.

    Args:
        task: the Inference API's word.
        texts: of the body.
        parameters: of the body.

    Raises:
        InvalidInputError: a parameter of another task, or pairs where there are none.
    """
    for other in _OWN:
        if other != task and (given := _given(parameters, other)):
            raise InvalidInputError(
                f"`parameters.{given}` is of {other}, and this is {task}", field=f"parameters.{given}"
            )
    truncation = truncation_of(parameters.truncate, parameters.truncation_direction)
    if task == TEXTS:
        return ClassifyInput(
            texts.first,
            texts.second,
            truncation=truncation,
            function=parameters.function_to_apply or "",
            top_k=parameters.top_k,
        )
    if texts.second:
        raise InvalidInputError(f"`inputs` are pairs of texts, and {task} takes single ones", field="inputs")
    if task == TOKENS:
        return TokenClassifyInput(
            texts.first,
            aggregation=parameters.aggregation_strategy or "simple",
            ignore_labels=list(IGNORED) if parameters.ignore_labels is None else parameters.ignore_labels,
            stride=parameters.stride,
            truncation=truncation,
        )
    return ZeroShotInput(
        texts.first,
        _labels(parameters.candidate_labels),
        hypothesis_template=parameters.hypothesis_template or DEFAULT_TEMPLATE,
        multi_label=bool(parameters.multi_label),
        truncation=truncation,
    )


def _file_of(request: HttpBody, context: Context) -> Input | None:
    """The image or video that a body is; None for JSON."""
    if is_image(request, context):
        return images_input_of(image_of(request), ClassifyParameters())
    return videos_input_of(video_of(request), ClassifyParameters()) if is_video(request) else None


def images_input_of(image: Image, parameters: ClassifyParameters) -> ClassifyImagesInput:
    """What a body with an image asks for.

    Raises:
        InvalidInputError: a parameter of texts.
    """
    _refuse_others(
        parameters, ("function_to_apply", "top_k", "candidate_labels", "hypothesis_template"), "of texts", "an image"
    )
    return ClassifyImagesInput(
        [image],
        candidate_labels=_labels(parameters.candidate_labels),
        hypothesis_template=parameters.hypothesis_template or "",
        function=parameters.function_to_apply or "",
        top_k=parameters.top_k,
    )


def videos_input_of(video: ClassifyVideoInput, parameters: ClassifyParameters) -> ClassifyVideoInput:
    """What a body with a video asks for.

    Raises:
        InvalidInputError: a parameter of texts, or of images.
    """
    _refuse_others(parameters, ("function_to_apply", "top_k"), "of texts and images", "a video")
    return replace(video, function=parameters.function_to_apply or "", top_k=parameters.top_k)


def _refuse_others(parameters: ClassifyParameters, own: Collection[str], others: str, this: str) -> None:
    for name in parameters.__struct_fields__:
        if name not in own and getattr(parameters, name) is not None:
            raise InvalidInputError(f"`parameters.{name}` is {others}, and this is {this}", field=f"parameters.{name}")


def _call(asked: Asked, model: str, options: CallOptions | None, context: Context, task_input: Input) -> Call:
    return call_with(options, context, model=model, task_input=task_input, task="classify", interface=asked.interface)


def value_of(output: Output, task_input: Input, *, single: bool) -> Any:
    """The answer as the Inference API's clients read it: of texts a list for each even where there is one."""
    if isinstance(output, ClassifyOutput):
        return [labels_value(labels) for labels in output.texts]
    if isinstance(output, ZeroShotOutput):
        assert isinstance(task_input, ZeroShotInput)
        rows = [labels_value(labels) for labels in output.ranked(task_input.candidate_labels)]
        return rows[0] if single else rows
    assert isinstance(output, TokenClassifyOutput)
    found = [[_entity(entity) for entity in entities] for entities in output.texts]
    return found[0] if single else found


def _entity(entity: Entity) -> dict[str, Any]:
    place = {"score": entity.score, "word": entity.word, "start": entity.start, "end": entity.end}
    if entity.index is None:
        return {"entity_group": entity.label, **place}
    return {"entity": entity.label, "index": entity.index, **place}


def _given(parameters: ClassifyParameters, task: str) -> str:
    return next((name for name in _OWN[task] if getattr(parameters, name) is not None), "")


def _labels(given: str | list[str] | None) -> list[str]:
    if isinstance(given, str):
        return [label.strip() for label in given.split(",") if label.strip()]
    return given or []
