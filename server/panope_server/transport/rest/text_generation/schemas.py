"""The bodies of Text Generation Inference, and what is answered."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta, Raw, Struct

from panope_server.transport.error_json import ErrorFieldsJson
from panope_server.transport.rest.hugging_face.schemas import CallOptions

_Stop = Annotated[str, Meta(min_length=1, max_length=256)]
_Tokens = Annotated[int, Meta(ge=1, le=(1 << 31) - 1)]

GrammarTypeJson = Literal["json", "json_schema", "regex"]
FinishReasonJson = Literal["length", "eos_token", "stop_sequence"]


class TextGrammar(Struct, forbid_unknown_fields=True):
    """What an answer must match.

    Attributes:
        value: A JSON Schema, or an object with one as `schema`, or a regular expression.
    """

    type: GrammarTypeJson
    value: Raw


class GenerateParameters(Struct, forbid_unknown_fields=True, kw_only=True):
    """How a text is continued.

    Attributes:
        adapter_id: Only null: name the adapter's model in `model`.
        best_of: Only 1: answers are drawn, not searched for.
        decoder_input_details: Whether the tokens of the prompt are told, with `details` and without `stream`.
        details: Whether the tokens of the answer are told.
        do_sample: Whether tokens are drawn. Default: where a field says how, such as `temperature`; else the likeliest
            is taken.
        frequency_penalty: Taken off once for each time that the answer has the token.
        grammar: What the answer must match.
        max_new_tokens: The most tokens of the answer. Default: 100.
        repetition_penalty: Divides positive logits, and multiplies negative ones, of tokens that were there before.
        return_full_text: Whether the answer starts with the prompt.
        seed: Draws the same tokens each time.
        stop: Texts that end an answer.
        stop_sequences: Another name of `stop`.
        temperature: Divides the logits.
        top_k: Only the likeliest so many.
        top_n_tokens: How many likeliest tokens are told beside each, with `details`.
        top_p: Only the likeliest tokens that together have this probability.
        truncate: Keep only so many tokens at the end of a longer prompt. Default: it is refused.
        typical_p: Only 1: use `top_p`.
        watermark: Only `false`.
    """

    adapter_id: str | None = None
    best_of: Annotated[int, Meta(ge=1)] | None = None
    decoder_input_details: bool | None = None
    details: bool | None = None
    do_sample: bool | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    grammar: TextGrammar | None = None
    max_new_tokens: _Tokens | None = None
    repetition_penalty: Annotated[float, Meta(gt=0)] | None = None
    return_full_text: bool | None = None
    seed: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] | None = None
    stop: Annotated[list[_Stop], Meta(max_length=16)] | None = None
    stop_sequences: Annotated[list[_Stop], Meta(max_length=16)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=100)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=(1 << 31) - 1)] | None = None
    top_n_tokens: Annotated[int, Meta(ge=0, le=20)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    truncate: _Tokens | None = None
    typical_p: float | None = None
    watermark: bool | None = None


class TextGenerationBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /generate and /generate_stream: what InferenceClient.text_generation sends, and `model`.

    Attributes:
        inputs: The text to continue.
        model: Absent for the default model.
        parameters: How it is continued.
        stream: Whether each token is sent when it exists. Default: on /generate_stream alone.
        options: How to treat the call.
    """

    inputs: Annotated[str, Meta(min_length=1)]
    model: Annotated[str, Meta(min_length=1)] | None = None
    parameters: GenerateParameters | None = None
    stream: bool | None = None
    options: CallOptions | None = None


class PromptTokenJson(TypedDict):
    """A token of the prompt; the first has no probability."""

    id: int
    text: str
    logprob: float | None


class GeneratedTokenJson(TypedDict):
    """A token of the answer.

    Attributes:
        id: -1 where the model's engine tells texts alone.
        logprob: null where the model's engine tells none.
        special: whether it is the model's own token that ended the answer.
    """

    id: int
    text: str
    logprob: float | None
    special: bool


class DetailsJson(TypedDict):
    """What is told with `details`.

    Attributes:
        prefill: the tokens of the prompt, with `decoder_input_details`.
        top_tokens: the likeliest at each position, with `top_n_tokens`.
    """

    finish_reason: FinishReasonJson
    generated_tokens: int
    seed: int | None
    prefill: list[PromptTokenJson]
    tokens: list[GeneratedTokenJson]
    top_tokens: NotRequired[list[list[GeneratedTokenJson]]]


class GeneratedTextJson(TypedDict):
    """The answer of POST /generate."""

    generated_text: str
    details: NotRequired[DetailsJson]


class StreamDetailsJson(TypedDict):
    """What the last event tells with `details`."""

    finish_reason: FinishReasonJson
    generated_tokens: int
    seed: int | None
    input_length: int


class TextGenerationErrorJson(TypedDict):
    """An error of the routes of Text Generation Inference.

    Attributes:
        error: a sentence, or the fields of every error where the edge answered by itself.
    """

    error: str | ErrorFieldsJson
    error_type: NotRequired[Literal["overloaded", "validation", "generation", "incomplete_generation"]]
