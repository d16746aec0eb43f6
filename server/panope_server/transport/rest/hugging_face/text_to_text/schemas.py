"""The bodies of summaries and translations, and what is answered."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta, Struct

from panope_server.transport.rest.hugging_face.schemas import CallOptions

_Tokens = Annotated[int, Meta(ge=1, le=(1 << 31) - 1)]
_Text = Annotated[str, Meta(min_length=1)]
_Language = Annotated[str, Meta(min_length=1, max_length=64)]

TruncationJson = Literal["do_not_truncate", "longest_first", "only_first", "only_second"]


class TextToTextGeneration(Struct, forbid_unknown_fields=True, kw_only=True):
    """How an answer is generated, by transformers' names.

    Attributes:
        do_sample: Whether tokens are drawn. Default: where a field says how, such as `temperature`; else the likeliest
            is taken.
        early_stopping: Only `false`: no beams are searched.
        max_length: The most tokens of the answer, with those that the decoder starts with.
        max_new_tokens: The most tokens of the answer.
        min_length: Tokens before which the answer does not end, with those that the decoder starts with.
        min_new_tokens: Tokens before which the answer does not end.
        num_beams: Only 1: answers are drawn, not searched for.
        repetition_penalty: Divides positive logits, and multiplies negative ones, of tokens that were there before.
        seed: Draws the same tokens each time.
        temperature: Divides the logits.
        top_k: Only the likeliest so many.
        top_p: Only the likeliest tokens that together have this probability.
        typical_p: Only 1: use `top_p`.
        use_cache: Only `true`.
    """

    do_sample: bool | None = None
    early_stopping: bool | None = None
    max_length: _Tokens | None = None
    max_new_tokens: _Tokens | None = None
    min_length: Annotated[int, Meta(ge=0, le=(1 << 31) - 1)] | None = None
    min_new_tokens: Annotated[int, Meta(ge=0, le=(1 << 31) - 1)] | None = None
    num_beams: Annotated[int, Meta(ge=1)] | None = None
    repetition_penalty: Annotated[float, Meta(gt=0)] | None = None
    seed: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=100)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=(1 << 31) - 1)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    typical_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    use_cache: bool | None = None


class SummaryParameters(Struct, forbid_unknown_fields=True, kw_only=True):
    """How a text is summarized.

    Attributes:
        clean_up_tokenization_spaces: Whether blanks before punctuation and in English contractions are taken out.
        generate_parameters: How the answer is generated.
        truncation: `longest_first` and `only_first` cut a text at its end that the model does not take whole. Default:
            it is refused.
    """

    clean_up_tokenization_spaces: bool | None = None
    generate_parameters: TextToTextGeneration | None = None
    truncation: TruncationJson | None = None


class TranslationParameters(SummaryParameters, forbid_unknown_fields=True, kw_only=True):
    """How a text is translated.

    Attributes:
        src_lang: The language of the text, as the model names it; see `languages` in what is told of the model.
        tgt_lang: The language of the answer.
    """

    src_lang: _Language | None = None
    tgt_lang: _Language | None = None


class _TextsBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """What both bodies have.

    Attributes:
        inputs: A text, or texts.
        model: Absent for the model of the path, or for the default model.
        options: How to treat the call.
    """

    inputs: _Text | Annotated[list[_Text], Meta(min_length=1, max_length=128)]
    model: _Text | None = None
    options: CallOptions | None = None


class SummaryBody(_TextsBody, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/summarize: what InferenceClient.summarization sends, and `model`.

    Attributes:
        parameters: How the texts are summarized.
    """

    parameters: SummaryParameters | None = None


class TranslationBody(_TextsBody, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/translate: what InferenceClient.translation sends, and `model`.

    Attributes:
        parameters: How the texts are translated.
    """

    parameters: TranslationParameters | None = None


class SummaryJson(TypedDict):
    """A summary."""

    summary_text: str


class TranslationJson(TypedDict):
    """A translation."""

    translation_text: str
