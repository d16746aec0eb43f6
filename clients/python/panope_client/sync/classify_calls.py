# Generated from panope_client/aio/classify_calls.py by clients/python/generate.py; do not edit.
"""Calls that classify texts and order documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from panope.v1.classify_service_pb2 import ClassifyResponse, ClassifyTokensResponse, ClassifyZeroShotResponse
from panope.v1.rerank_service_pb2 import RerankResponse
from panope_client.arguments import Priority
from panope_client.messages.classify import (
    ClassifyOptions,
    ClassifyTokensOptions,
    RerankOptions,
    ZeroShotOptions,
    classify_request,
    classify_tokens_request,
    rerank_request,
    zero_shot_request,
)
from panope_client.sync.connection import Connection


class ClassifyCalls(Connection):
    """The calls of `Client` on models with labels."""

    def classify(
        self,
        texts: Sequence[str],
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float | None = None,
        **options: Unpack[ClassifyOptions],
    ) -> ClassifyResponse:
        """Classifies texts, or pairs of texts, by the model's labels.

        Args:
            texts: at least one, none empty, no more than the server's limit.
            model: `vendor/name`, of the task `classify`.
            priority: see the class.
            timeout: see the class.
            options: see `ClassifyOptions`.
        """
        return self._call(self._classify.Classify, classify_request(texts, model, options), timeout, priority)

    def classify_tokens(
        self,
        texts: Sequence[str],
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float | None = None,
        **options: Unpack[ClassifyTokensOptions],
    ) -> ClassifyTokensResponse:
        """Finds what parts of texts are, such as names and places.

        Args:
            texts: at least one, none empty, no more than the server's limit.
            model: `vendor/name`, of the task `token-classify`.
            priority: see the class.
            timeout: see the class.
            options: see `ClassifyTokensOptions`.
        """
        request = classify_tokens_request(texts, model, options)
        return self._call(self._classify.ClassifyTokens, request, timeout, priority)

    def classify_zero_shot(
        self,
        texts: Sequence[str],
        candidate_labels: Sequence[str],
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float | None = None,
        **options: Unpack[ZeroShotOptions],
    ) -> ClassifyZeroShotResponse:
        """Classifies texts by labels of the caller's own.

        Args:
            texts: at least one, none empty.
            candidate_labels: at least one; the model reads each text with each.
            model: `vendor/name`, of the task `classify`, that tells what entails what.
            priority: see the class.
            timeout: see the class.
            options: see `ZeroShotOptions`.
        """
        request = zero_shot_request(texts, candidate_labels, model, options)
        return self._call(self._classify.ClassifyZeroShot, request, timeout, priority)

    def rerank(
        self,
        query: str,
        documents: Sequence[str],
        model: str,
        *,
        priority: Priority | None = None,
        timeout: float | None = None,
        **options: Unpack[RerankOptions],
    ) -> RerankResponse:
        """Orders documents by how well they answer a query, the best first.

        Args:
            query: not empty.
            documents: at least one, none empty, no more than the server's limit.
            model: `vendor/name`, of the task `rerank`.
            priority: see the class.
            timeout: see the class.
            options: see `RerankOptions`.
        """
        return self._call(self._rerank.Rerank, rerank_request(query, documents, model, options), timeout, priority)
