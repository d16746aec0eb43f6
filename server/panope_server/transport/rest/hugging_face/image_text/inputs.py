"""Images and questions as input of task `generate`: conversations of one message."""

from __future__ import annotations

from collections.abc import Mapping

from panope_backends.errors import InvalidInputError
from panope_server.tasks.generate.types import GenerateInput, GenerationOptions, Sampling
from panope_server.tasks.vision.images import Image, image_in
from panope_server.transport.generation.conversations import MessageJson, content_of, conversation
from panope_server.transport.generation.names import GenerationNames
from panope_server.transport.rest.hugging_face.image_text.schemas import (
    ImageBody,
    ImageQuestionParameters,
    QuestionBody,
    QuestionInputs,
)

#: As Text Generation Inference has it.
_TOKENS = 100

#: Of the only message, whose first part is the image.
_NAMES: Mapping[str, str] = {"max_tokens": "parameters.max_new_tokens"}


class ImageNames(GenerationNames):
    """What a body calls the fields of its input."""

    def __init__(self) -> None:
        super().__init__(_NAMES)

    def __call__(self, path: str) -> str:
        """What the body calls a field: of the message, `inputs` holds all."""
        return "inputs" if path.startswith("messages") else super().__call__(path)


NAMES = ImageNames()


def question_input(body: QuestionBody) -> GenerateInput:
    """What a body asks for; the log-probabilities of the answer tell its score.

    Raises:
        InvalidInputError: there is no question, or there are two images.
    """
    given = body.inputs
    if isinstance(given, QuestionInputs):
        image, question = given.image, given.question
        if body.question not in (None, question):
            raise _refusal("question", "and `inputs.question` differ")
    else:
        if body.question is None:
            raise _refusal("question", "is missing")
        image, question = given, body.question
    if body.image not in (None, image):
        raise _refusal("image", "and the image of `inputs` differ")
    parameters = body.parameters or ImageQuestionParameters()
    return _input([image_in(image, "inputs"), question], parameters.max_new_tokens, logprobs=0)


def image_input(image: Image, max_tokens: int | None = None) -> GenerateInput:
    """What is asked of an image without words."""
    return _input([image], max_tokens)


def described_input(body: ImageBody) -> GenerateInput:
    """What a body with options asks for."""
    return image_input(
        image_in(body.inputs, "inputs"), None if body.parameters is None else body.parameters.max_new_tokens
    )


def _input(parts: list[str | Image], max_tokens: int | None, logprobs: int | None = None) -> GenerateInput:
    images: list[Image] = []
    message = MessageJson(role="user", content=content_of(parts, images))
    options = GenerationOptions(sampling=Sampling(temperature=0.0), max_tokens=max_tokens or _TOKENS, logprobs=logprobs)
    return GenerateInput(conversation=conversation([message], images=images), options=options)


def _refusal(field: str, complaint: str) -> InvalidInputError:
    return InvalidInputError(f"`{field}` {complaint}", field=field)
