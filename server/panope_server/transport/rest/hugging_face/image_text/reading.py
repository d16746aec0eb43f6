"""Images and questions for models that write the text of images: input of task `ocr`."""

from __future__ import annotations

from collections.abc import Callable

from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import NotFoundError
from panope_server.pipeline.call import Call
from panope_server.tasks.vision.images import Image
from panope_server.tasks.vision.ocr import OcrInput, OcrOutput
from panope_server.transport.answers import answer_of
from panope_server.transport.generation.names import TASK
from panope_server.transport.interfaces import Models, Pipeline
from panope_server.transport.rest.hugging_face.image_text.inputs import NAMES
from panope_server.transport.rest.hugging_face.image_text.schemas import ImageTextJson, QuestionAnswerJson
from panope_server.transport.rest.json.responses import json_response

OCR = "ocr"
"""The task."""


async def reads_text(models: Models, model: str) -> bool:
    """Whether a call is for a model that reads text; one that names none goes to a model that generates first.

    Args:
        models: know the tasks of models.
        model: of the path or the body; empty where neither names one.
    """
    name = model or await models.default_for(TASK) or await models.default_for(OCR) or ""
    try:
        return (await models.get(name)).task == OCR
    except NotFoundError:
        return False


def image_to_read(image: Image, max_tokens: int | None = None) -> OcrInput:
    """What is asked of an image without words."""
    return OcrInput([image], max_tokens=max_tokens)


def question_to_read(image: Image, question: str, max_tokens: int | None = None) -> OcrInput:
    """What is asked of an image with a question."""
    return OcrInput([image], question=question, max_tokens=max_tokens)


async def read_text(pipeline: Pipeline, call: Call) -> HttpBody:
    """The text of an image: its lines."""
    page = (await answer_of(pipeline, call, OcrOutput, NAMES)).images[0]
    return json_response([ImageTextJson(generated_text="\n".join(line.text for line in page.lines))])


async def read_answer(pipeline: Pipeline, call: Call, names: Callable[[str], str]) -> HttpBody:
    """The answer to a question; without words, and of the score 0, where the model wrote none."""
    page = (await answer_of(pipeline, call, OcrOutput, names)).images[0]
    answer, score = (page.lines[0].text, page.lines[0].score) if page.lines else ("", 0.0)
    return json_response([QuestionAnswerJson(answer=answer, score=score)])
