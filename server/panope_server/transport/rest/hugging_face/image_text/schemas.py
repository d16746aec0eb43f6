"""The bodies of questions about images and of texts of images, and what is answered."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta, Struct

from panope_server.transport.rest.hugging_face.schemas import CallOptions

_Text = Annotated[str, Meta(min_length=1)]
_Tokens = Annotated[int, Meta(ge=1, le=(1 << 31) - 1)]


class QuestionInputs(Struct, forbid_unknown_fields=True, kw_only=True):
    """An image and a question, as the Inference API's description has them.

    Attributes:
        image: The image's file in base64, as a data URL, or by its URL where the settings `media_urls` allow that.
        question: About it.
    """

    image: _Text
    question: _Text


class ImageQuestionParameters(Struct, forbid_unknown_fields=True, kw_only=True):
    """How a question is answered.

    Attributes:
        max_new_tokens: The most tokens of the answer. Default: 100.
        top_k: Only 1: a model that writes gives one answer.
    """

    max_new_tokens: _Tokens | None = None
    top_k: Literal[1] | None = None


class QuestionBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/visual-question-answering: what InferenceClient.visual_question_answering sends, and `model`.

    Attributes:
        inputs: An image, its file in base64 or a data URL, beside `question`; or both in an object.
        question: About the image.
        image: The image once more, as that client sends it.
        model: Absent for the model of the path, or for the default model.
        parameters: How the question is answered.
        options: How to treat the call.
    """

    inputs: _Text | QuestionInputs
    question: _Text | None = None
    image: _Text | None = None
    model: _Text | None = None
    parameters: ImageQuestionParameters | None = None
    options: CallOptions | None = None


class DocumentParameters(Struct, forbid_unknown_fields=True, kw_only=True):
    """How a question about a document is answered.

    Attributes:
        max_answer_len: The most tokens of the answer. Default: 100, or what the model's files say where it reads text.
        top_k: Only 1: a model that writes gives one answer.
    """

    max_answer_len: _Tokens | None = None
    top_k: Literal[1] | None = None


class DocumentBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/document-question-answering: what InferenceClient.document_question_answering sends, and `model`.

    Attributes:
        inputs: An image of the document, and a question about it.
        model: Absent for the model of the path, or for the default model.
        parameters: How the question is answered.
        options: How to treat the call.
    """

    inputs: QuestionInputs
    model: _Text | None = None
    parameters: DocumentParameters | None = None
    options: CallOptions | None = None


class ImageParameters(Struct, forbid_unknown_fields=True, kw_only=True):
    """How an image's text is written.

    Attributes:
        max_new_tokens: The most tokens of the text. Default: 100.
    """

    max_new_tokens: _Tokens | None = None


class ImageBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/image-to-text with options; InferenceClient.image_to_text sends the image's file alone.

    Attributes:
        inputs: The image's file in base64, as a data URL, or by its URL where the settings `media_urls` allow that.
        model: Absent for the model of the path, or for the default model.
        parameters: How the text is written.
        options: How to treat the call.
    """

    inputs: _Text
    model: _Text | None = None
    parameters: ImageParameters | None = None
    options: CallOptions | None = None


class QuestionAnswerJson(TypedDict):
    """An answer.

    Attributes:
        answer: The text.
        score: The probability of its tokens together, from 0 to 1.
    """

    answer: str
    score: float


class ImageTextJson(TypedDict):
    """What a model writes of an image."""

    generated_text: str
