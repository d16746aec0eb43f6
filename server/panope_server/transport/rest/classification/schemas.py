"""The bodies of classifying and reranking, and what is answered."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta, Raw, Struct

from panope_server.tasks.token_classify import Aggregation
from panope_server.transport.rest.hugging_face.schemas import CallOptions
from panope_server.transport.rest.hugging_face.truncation import Direction, Truncate

Text = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=1, le=(1 << 32) - 1)]


class ClassifyParameters(Struct, forbid_unknown_fields=True):
    """How to classify, in the words of the Inference API.

    Attributes:
        function_to_apply: Of texts: what makes scores of the model's values. Default: as the model's files say.
        top_k: Of texts: how many labels to tell of each. Default: all.
        aggregation_strategy: Of tokens: how they become entities. Default: `simple`.
        ignore_labels: Of tokens: labels that are not told. Default: `O`.
        stride: Of tokens: runs a text that is too long in pieces, which have so many tokens in common.
        candidate_labels: Labels of the caller's own, as a list or separated by commas.
        hypothesis_template: Of those labels: what is said of a text, with `{}` in the place of the label.
        multi_label: Of those labels: whether any number of them may fit.
        truncate: Whether to cut a text that is too long instead of refusing it, or at which side. Default: refuse.
        truncation_direction: The side that is cut, with `truncate`. Default: `right`.
    """

    function_to_apply: Literal["softmax", "sigmoid", "none"] | None = None
    top_k: Count | None = None
    aggregation_strategy: Aggregation | None = None
    ignore_labels: list[str] | None = None
    stride: Annotated[int, Meta(ge=0, le=1 << 20)] | None = None
    candidate_labels: str | list[Text] | None = None
    hypothesis_template: str | None = None
    multi_label: bool | None = None
    truncate: Truncate | None = None
    truncation_direction: Direction | None = None


class ClassifyBody(Struct, forbid_unknown_fields=True):
    """POST /v1/classify: what InferenceClient's methods for classifying texts send, and `model`.

    Attributes:
        inputs: A text, or texts; a pair of texts is an object with `text` and `text_pair`.
        model: Absent for the model of the path, or for the default model.
        parameters: How to classify.
        options: How to treat the call.
    """

    inputs: Raw
    model: Text | None = None
    parameters: ClassifyParameters | None = None
    options: CallOptions | None = None


class PairJson(Struct, forbid_unknown_fields=True):
    """Two texts."""

    text: Text
    text_pair: Text


class PredictBody(Struct, forbid_unknown_fields=True):
    """POST /predict, as Text Embeddings Inference has it.

    Attributes:
        inputs: A text, a pair as a list of two texts, or a list of lists of one or two texts each.
        raw_scores: Whether scores are the model's own values.
        truncate: Whether to cut a text that is too long instead of refusing it.
        truncation_direction: The side that is cut, with `truncate`.
        model: Absent for the default model.
    """

    inputs: Raw
    raw_scores: bool = False
    truncate: bool = False
    truncation_direction: Direction = "right"
    model: Annotated[str, Meta(min_length=1)] | None = None


class DocumentJson(Struct, forbid_unknown_fields=True):
    """A document."""

    text: Text


class RerankBody(Struct, forbid_unknown_fields=True):
    """POST /v1/rerank: what the clients of Cohere, Jina and vLLM send.

    Attributes:
        documents: Texts, or objects with `text`.
        model: Absent for the only model of the task.
        top_n: How many documents to tell of. Default: all.
        return_documents: Whether to tell the documents too.
        truncation: Whether to cut a document that is too long instead of refusing it.
        truncate_prompt_tokens: As vLLM has it: -1 is `truncation`.
        raw_scores: Whether scores are the model's own values.
        user: Whoever asks, for the log.
    """

    query: Text
    documents: Annotated[list[Text | DocumentJson], Meta(min_length=1)]
    model: Text | None = None
    top_n: Count | None = None
    return_documents: bool = False
    truncation: bool | None = None
    truncate_prompt_tokens: Literal[-1] | None = None
    raw_scores: bool = False
    user: str | None = None


class RankBody(Struct, forbid_unknown_fields=True):
    """POST /rerank, as Text Embeddings Inference has it.

    Attributes:
        raw_scores: Whether scores are the model's own values; otherwise they are brought to 0 to 1.
        return_text: Whether to tell the texts too.
        truncate: Whether to cut a text that is too long instead of refusing it.
        truncation_direction: The side that is cut, with `truncate`.
        model: Absent for the default model.
    """

    query: Text
    texts: Annotated[list[Text], Meta(min_length=1)]
    raw_scores: bool = False
    return_text: bool = False
    truncate: bool = False
    truncation_direction: Direction = "right"
    model: Annotated[str, Meta(min_length=1)] | None = None


class LabelJson(TypedDict):
    """A label and its score."""

    label: str
    score: float


class EntityJson(TypedDict):
    """A token, or tokens of one kind that follow each other.

    Attributes:
        entity: the label of a token by itself.
        entity_group: the label of joined tokens.
        word: as the model's tokens spell it.
        start: where it starts in the text, in Unicode code points.
        end: where it ends (exclusive).
        index: the position of a token by itself among the text's.
    """

    entity: NotRequired[str]
    entity_group: NotRequired[str]
    score: float
    word: str
    start: int
    end: int
    index: NotRequired[int]


class RankJson(TypedDict):
    """A text by its position in the request."""

    index: int
    score: float
    text: NotRequired[str]


class RankedTextJson(TypedDict):
    """A document that is told."""

    text: str


class RerankResultJson(TypedDict):
    """A document by its position in the request."""

    index: int
    relevance_score: float
    document: NotRequired[RankedTextJson]


class RerankUsageJson(TypedDict):
    """Tokens of query and document, for each document."""

    prompt_tokens: int
    total_tokens: int


class RerankJson(TypedDict):
    """The documents, the best first."""

    id: str
    model: str
    results: list[RerankResultJson]
    usage: RerankUsageJson
