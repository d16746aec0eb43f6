"""Requests to classify and to rerank, from arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from panope.v1 import classify_service_pb2 as classify_pb
from panope.v1 import rerank_service_pb2 as rerank_pb
from panope_client.arguments import check_options, request_of, value_of
from panope_client.messages.embed import Truncation, truncation_of

Function = Literal["softmax", "sigmoid", "none"]
Aggregation = Literal["none", "simple", "first", "average", "max"]

_FUNCTIONS: Mapping[str, classify_pb.ScoreFunction.ValueType] = {
    "softmax": classify_pb.SCORE_FUNCTION_SOFTMAX,
    "sigmoid": classify_pb.SCORE_FUNCTION_SIGMOID,
    "none": classify_pb.SCORE_FUNCTION_NONE,
}
_AGGREGATIONS: Mapping[str, classify_pb.Aggregation.ValueType] = {
    "none": classify_pb.AGGREGATION_NONE,
    "simple": classify_pb.AGGREGATION_SIMPLE,
    "first": classify_pb.AGGREGATION_FIRST,
    "average": classify_pb.AGGREGATION_AVERAGE,
    "max": classify_pb.AGGREGATION_MAX,
}


class ClassifyOptions(TypedDict, total=False):
    """How to classify texts by the model's labels.

    Attributes:
        second_texts: the second text of each, where pairs are classified.
        truncation: what to do with a text that is too long: `refuse` it (the default), or cut tokens off its `end` or
            `start`, of a pair off the longer text first.
        function: what makes scores of the model's values; as the model's files say by default.
        top_k: how many labels to tell of each text; default all.
    """

    second_texts: Sequence[str]
    truncation: Truncation
    function: Function | None
    top_k: int | None


class ClassifyTokensOptions(TypedDict, total=False):
    """How to find entities.

    Attributes:
        aggregation: how tokens become entities; `simple` by default.
        ignore_labels: labels that are not told; `O` alone by default.
        stride: runs a text that is too long in pieces that have so many tokens in common.
        truncation: as of `ClassifyOptions`.
    """

    aggregation: Aggregation
    ignore_labels: Sequence[str] | None
    stride: int | None
    truncation: Truncation


class ZeroShotOptions(TypedDict, total=False):
    """How to classify texts by labels of the caller's own.

    Attributes:
        hypothesis_template: what is said of a text, with `{}` in the place of a label.
        multi_label: whether any number of labels may fit a text.
        truncation: as of `ClassifyOptions`; labels stay whole.
    """

    hypothesis_template: str | None
    multi_label: bool
    truncation: Truncation


class RerankOptions(TypedDict, total=False):
    """How to order documents.

    Attributes:
        top_n: how many documents to tell of; default all.
        truncation: as of `ClassifyOptions`.
        function: what makes scores of the model's values, `sigmoid` or `none`; as the model's files say by default.
        return_documents: whether to tell the documents too.
    """

    top_n: int | None
    truncation: Truncation
    function: Literal["sigmoid", "none"] | None
    return_documents: bool


def classify_request(texts: Sequence[str], model: str, options: ClassifyOptions) -> classify_pb.ClassifyRequest:
    """Makes the request to classify texts.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value.
    """
    check_options(options, ClassifyOptions)
    return request_of(
        classify_pb.ClassifyRequest,
        model=model,
        texts=texts,
        second_texts=options.get("second_texts", ()),
        truncation=truncation_of(options),
        function=function_of(options.get("function")),
        top_k=options.get("top_k"),
    )


def classify_tokens_request(
    texts: Sequence[str], model: str, options: ClassifyTokensOptions
) -> classify_pb.ClassifyTokensRequest:
    """Makes the request to find entities.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value.
    """
    check_options(options, ClassifyTokensOptions)
    ignored = options.get("ignore_labels")
    return request_of(
        classify_pb.ClassifyTokensRequest,
        model=model,
        texts=texts,
        aggregation=value_of(options.get("aggregation", "simple"), _AGGREGATIONS, "aggregation"),
        ignored=None if ignored is None else request_of(classify_pb.IgnoredLabels, labels=ignored),
        stride=options.get("stride"),
        truncation=truncation_of(options),
    )


def zero_shot_request(
    texts: Sequence[str], candidate_labels: Sequence[str], model: str, options: ZeroShotOptions
) -> classify_pb.ClassifyZeroShotRequest:
    """Makes the request to classify texts by labels of the caller's own.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value.
    """
    check_options(options, ZeroShotOptions)
    return request_of(
        classify_pb.ClassifyZeroShotRequest,
        model=model,
        texts=texts,
        candidate_labels=candidate_labels,
        hypothesis_template=options.get("hypothesis_template"),
        multi_label=options.get("multi_label", False),
        truncation=truncation_of(options),
    )


def rerank_request(query: str, documents: Sequence[str], model: str, options: RerankOptions) -> rerank_pb.RerankRequest:
    """Makes the request to order documents.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value.
    """
    check_options(options, RerankOptions)
    return request_of(
        rerank_pb.RerankRequest,
        model=model,
        query=query,
        documents=documents,
        top_n=options.get("top_n"),
        truncation=truncation_of(options),
        function=function_of(options.get("function")),
        return_documents=options.get("return_documents", False),
    )


def function_of(word: str | None) -> classify_pb.ScoreFunction.ValueType:
    """What makes scores of a model's values; None for what its files say."""
    return classify_pb.SCORE_FUNCTION_UNSPECIFIED if word is None else value_of(word, _FUNCTIONS, "function")
