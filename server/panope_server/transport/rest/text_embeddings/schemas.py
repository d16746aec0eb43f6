"""TEI's bodies, beside the one that /v1/embed takes too, and what is answered."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta, Raw, Struct

from panope_server.transport.error_json import ErrorFieldsJson
from panope_server.transport.rest.embedding.options import EmbedOptions
from panope_server.transport.rest.hugging_face.schemas import CallOptions

Texts = str | list[str]


class SentencesBody(Struct, forbid_unknown_fields=True):
    """Sentences to compare.

    Attributes:
        source_sentence: The one that the others are compared with.
        sentences: The others, at least one.
    """

    source_sentence: Annotated[str, Meta(min_length=1)]
    sentences: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1)]


class SimilarityBody(EmbedOptions, forbid_unknown_fields=True, kw_only=True):
    """POST /similarity.

    Attributes:
        inputs: The sentences.
        model: Absent for the model of the path, or for the default model.
        parameters: More of the options.
        options: How to treat the call.
        normalize: Only `true`: cosines are of normalised vectors.
        encoding_format: Only `float`.
    """

    inputs: SentencesBody
    model: Annotated[str, Meta(min_length=1)] | None = None
    parameters: EmbedOptions | None = None
    options: CallOptions | None = None


class TokenizeBody(Struct, forbid_unknown_fields=True):
    """POST /tokenize.

    Attributes:
        inputs: A text, or texts.
        add_special_tokens: Whether to add the tokens that the model puts around a text.
        model: Absent for the default model.
    """

    inputs: Texts
    add_special_tokens: bool = True
    model: Annotated[str, Meta(min_length=1)] | None = None


class DecodeBody(Struct, forbid_unknown_fields=True):
    """POST /decode.

    Attributes:
        ids: Token ids of a text, or lists of them.
        skip_special_tokens: Whether to leave out special tokens.
        model: Absent for the default model.
    """

    ids: Raw
    skip_special_tokens: bool = True
    model: Annotated[str, Meta(min_length=1)] | None = None


class EmbedAllBody(Struct, forbid_unknown_fields=True):
    """POST /embed_all.

    Attributes:
        inputs: A text, or texts.
        truncate: Only `false`: a text that is too long is refused.
        prompt_name: Of a model with a vector for each token, `query` or, by default, `document`.
        model: Absent for the default model.
    """

    inputs: Texts
    truncate: bool = False
    prompt_name: str | None = None
    model: Annotated[str, Meta(min_length=1)] | None = None


class EmbedSparseBody(Struct, forbid_unknown_fields=True):
    """POST /embed_sparse.

    Attributes:
        inputs: A text, or texts.
        truncate: Whether to cut a text that is too long instead of refusing it.
        truncation_direction: The side that is cut, with `truncate`.
        prompt_name: The name of one of the model's prompts, put before each text.
        model: Absent for the default model.
    """

    inputs: Texts
    truncate: bool | None = None
    truncation_direction: Literal["left", "right", "Left", "Right"] | None = None
    prompt_name: str | None = None
    model: Annotated[str, Meta(min_length=1)] | None = None


class SparseValueJson(TypedDict):
    """A value of a sparse vector that is not 0.

    Attributes:
        index: where it is: an id of the model's vocabulary.
        value: what it is.
    """

    index: int
    value: float


class TextEmbeddingsErrorJson(TypedDict):
    """An error of the routes of Text Embeddings Inference.

    Attributes:
        error: a sentence, or the fields of every error where the edge answered by itself.
    """

    error: str | ErrorFieldsJson
    error_type: NotRequired[Literal["Overloaded", "Validation", "Unhealthy", "Backend"]]


class TokenJson(TypedDict):
    """A token of a text.

    Attributes:
        text: as it is written in the text; of a special token, its name.
        special: whether it was put around the text.
        start: where it starts, in UTF-8 bytes; null for a special token.
        stop: where it ends (exclusive).
    """

    id: int
    text: str
    special: bool
    start: int | None
    stop: int | None
