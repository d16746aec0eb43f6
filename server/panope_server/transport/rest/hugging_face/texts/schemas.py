"""The bodies of questions and of masked texts, and what is answered."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta, Struct

from panope_server.transport.rest.hugging_face.schemas import CallOptions
from panope_server.transport.rest.hugging_face.truncation import Direction, Truncate

_Text = Annotated[str, Meta(min_length=1)]
_Some = Meta(min_length=1)
_Tokens = Annotated[int, Meta(ge=1, le=1 << 20)]


class QuestionJson(Struct, forbid_unknown_fields=True):
    """A question, and the text that has the answer."""

    question: _Text
    context: _Text


class QuestionParameters(Struct, forbid_unknown_fields=True, kw_only=True):
    """How to answer, in the words of the Inference API.

    Attributes:
        top_k: How many answers to tell; with more than 1 a list of them comes back. Default: 1.
        doc_stride: How many tokens of a context each window begins with that the one before ends with. Default: half
            of a window's tokens, at most 128.
        max_answer_len: The most tokens of an answer. Default: 15.
        max_question_len: How many tokens of a question are read. Default: all.
        max_seq_len: The tokens of a window, the question's included. Default: 384, or as many as the model takes.
        handle_impossible_answer: Whether "no answer" is an answer too. Default: `false`.
        align_to_words: Whether answers are made of whole words. Default: `true`.
    """

    top_k: Annotated[int, Meta(ge=1, le=100)] | None = None
    doc_stride: Annotated[int, Meta(ge=0, le=1 << 20)] | None = None
    max_answer_len: Annotated[int, Meta(ge=1, le=1024)] | None = None
    max_question_len: _Tokens | None = None
    max_seq_len: _Tokens | None = None
    handle_impossible_answer: bool | None = None
    align_to_words: bool | None = None


class AnswerBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/answer: what InferenceClient.question_answering sends, and `model`.

    Attributes:
        inputs: A question with its context, or several.
        model: Absent for the model of the path, or for the default model.
        parameters: How to answer.
        options: How to treat the call.
    """

    inputs: QuestionJson | Annotated[list[QuestionJson], _Some]
    model: _Text | None = None
    parameters: QuestionParameters | None = None
    options: CallOptions | None = None


class AnswerJson(TypedDict):
    """An answer.

    Attributes:
        answer: what stands in the context; empty for no answer.
        score: how sure the model is.
        start: where it starts in the context, in Unicode code points.
        end: where it ends (exclusive).
    """

    answer: str
    score: float
    start: int
    end: int


class FillMaskParameters(Struct, forbid_unknown_fields=True, kw_only=True):
    """What to tell of masks, in the words of the Inference API.

    Attributes:
        top_k: How many tokens to tell of each mask. Default: 5.
        targets: The only tokens that are told, each one token of the model's vocabulary. Default: all.
        truncate: Whether to cut a text that is too long instead of refusing it, or at which side. Default: refuse.
        truncation_direction: The side that is cut, with `truncate`. Default: `right`.
    """

    top_k: Annotated[int, Meta(ge=1, le=100)] | None = None
    targets: _Text | Annotated[list[_Text], Meta(min_length=1, max_length=1000)] | None = None
    truncate: Truncate | None = None
    truncation_direction: Direction | None = None


class FillMaskBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/fill-mask: what InferenceClient.fill_mask sends, and `model`.

    Attributes:
        inputs: A text, or texts, with masks as the model writes them, such as `[MASK]`.
        model: Absent for the model of the path, or for the default model.
        parameters: What to tell.
        options: How to treat the call.
    """

    inputs: _Text | Annotated[list[_Text], _Some]
    model: _Text | None = None
    parameters: FillMaskParameters | None = None
    options: CallOptions | None = None


class FillingJson(TypedDict):
    """A token in the place of a mask.

    Attributes:
        score: how likely it is.
        token: its id.
        token_str: as it is spelt.
        sequence: the text with it.
    """

    score: float
    token: int
    token_str: str
    sequence: str
