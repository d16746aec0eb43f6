"""Images and questions as input of task `generate`: conversations of one message."""

from __future__ import annotations

from dataclasses import dataclass

from panope_backends.errors import InvalidInputError
from panope_server.tasks.generate.types import GenerateInput, GenerationOptions, Sampling
from panope_server.tasks.vision.images import Image, image_in
from panope_server.transport.generation.conversations import MessageJson, content_of, conversation
from panope_server.transport.generation.names import GenerationNames
from panope_server.transport.rest.hugging_face.image_text.schemas import (
    DocumentBody,
    DocumentParameters,
    ImageQuestionParameters,
    QuestionBody,
    QuestionInputs,
)

#: As Text Generation Inference has it.
_TOKENS = 100


class ImageNames(GenerationNames):
    """What a body calls the fields of its input, be it of a model that chats or of one that reads text.

    Args:
        max_tokens: its name for the most tokens.
        image: its name for the image.
        question: its name for the question.
    """

    def __init__(self, max_tokens: str, image: str, question: str) -> None:
        super().__init__({"max_tokens": max_tokens, "question": question})
        self._image = image

    def __call__(self, path: str) -> str:
        """What the body calls a field: `messages` holds all, and `images` the only image."""
        if path.startswith("messages"):
            return "inputs"
        return self._image if path.startswith("images") else super().__call__(path)


NAMES = ImageNames("parameters.max_new_tokens", "inputs", "question")
DOCUMENT_NAMES = ImageNames("parameters.max_answer_len", "inputs.image", "inputs.question")


@dataclass(frozen=True)
class ImageQuestion:
    """A question about an image.

    Attributes:
        max_tokens: of the answer; None for the model's own.
    """

    image: Image
    question: str
    max_tokens: int | None = None


def document_question(body: DocumentBody) -> ImageQuestion:
    """What a body asks of a document."""
    parameters = body.parameters or DocumentParameters()
    return ImageQuestion(image_in(body.inputs.image, "inputs.image"), body.inputs.question, parameters.max_answer_len)


def image_question(body: QuestionBody) -> ImageQuestion:
    """What a body asks of an image.

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
    return ImageQuestion(image_in(image, "inputs"), question, parameters.max_new_tokens)


def question_input(asked: ImageQuestion) -> GenerateInput:
    """As a model takes it that chats; the log-probabilities of the answer tell its score."""
    return _input([asked.image, asked.question], asked.max_tokens, logprobs=0)


def image_input(image: Image, max_tokens: int | None = None) -> GenerateInput:
    """What is asked of an image without words."""
    return _input([image], max_tokens)


def _input(parts: list[str | Image], max_tokens: int | None, logprobs: int | None = None) -> GenerateInput:
    images: list[Image] = []
    message = MessageJson(role="user", content=content_of(parts, images))
    options = GenerationOptions(sampling=Sampling(temperature=0.0), max_tokens=max_tokens or _TOKENS, logprobs=logprobs)
    return GenerateInput(conversation=conversation([message], images=images), options=options)


def _refusal(field: str, complaint: str) -> InvalidInputError:
    return InvalidInputError(f"`{field}` {complaint}", field=field)
