"""Models that embed with one fault each, under the suite that must find it; see `broken_token_models`."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, ClassVar

import numpy as np
import pytest

from panope_backends.api import (
    API_VERSION,
    Backend,
    EmbeddingModel,
    EmbeddingRequest,
    Embeddings,
    LoadOptions,
    ModelFacts,
)
from panope_backends.engines.precision import choose_precision
from panope_backends.errors import InternalError
from panope_backends.testing import EmbeddingModelContract


class BytesEmbedder(EmbeddingModel):
    """How often each of sixteen kinds of bytes is in a text: it keeps the contract."""

    precision = "fp32"
    honoured = frozenset({"truncation"})

    def embed(self, request: EmbeddingRequest) -> Future[Embeddings]:
        self.require_supported(request)
        found: Future[Embeddings] = Future()
        found.set_result(Embeddings(self.vectors(request.texts)))
        return found

    def vectors(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        kinds = [[sum(byte % 16 == kind for byte in text.encode()) for kind in range(16)] for text in texts]
        return np.array(kinds, np.float32).reshape(len(texts), 16)


class Broken(EmbeddingModelContract):
    """Runs the suite on `Model`."""

    timeout_seconds = 1.0
    caught_by: ClassVar[str]
    Model: ClassVar[type[EmbeddingModel]] = BytesEmbedder

    @pytest.fixture
    def backend(self) -> Backend:
        kind = self.Model

        class BytesBackend(Backend):
            name = "bytes"
            api_version = API_VERSION

            def load(self, model: ModelFacts, folder: Any, device: str, options: LoadOptions) -> EmbeddingModel:
                choose_precision(options.precision, ("fp32",), f"{self.name} on {device}")
                return kind()

        return BytesBackend()

    @pytest.fixture
    def model(self) -> ModelFacts:
        return ModelFacts("test/bytes", "safetensors", "embed")


class TestDoubles(Broken):
    caught_by = "test_each_text_has_a_finite_vector_of_one_width"

    class Model(BytesEmbedder):
        def vectors(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
            return super().vectors(texts).astype(np.float64)


class TestNoNumbers(Broken):
    caught_by = "test_each_text_has_a_finite_vector_of_one_width"

    class Model(BytesEmbedder):
        def vectors(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
            return super().vectors(texts) / np.float32(0)


class TestInAnOrderOfItsOwn(Broken):
    caught_by = "test_vectors_come_in_the_order_of_the_texts"

    class Model(BytesEmbedder):
        def vectors(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
            return super().vectors(sorted(texts))


class TestOneVectorForAll(Broken):
    caught_by = "test_vectors_come_in_the_order_of_the_texts"

    class Model(BytesEmbedder):
        def vectors(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
            return super().vectors(["a"] * len(texts))


class TestOneBufferForAll(Broken):
    caught_by = "test_requests_run_side_by_side"

    class Model(BytesEmbedder):
        buffer = np.zeros((9, 16), np.float32)

        def vectors(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
            self.buffer[: len(texts)] = super().vectors(texts)
            return self.buffer[: len(texts)]


class TestFieldIsPassedOver(Broken):
    caught_by = "test_a_field_is_one_that_the_model_lists_or_one_that_it_refuses"

    class Model(BytesEmbedder):
        def require_supported(self, request: EmbeddingRequest) -> None:
            """Refuses nothing."""


class TestListedFieldFails(Broken):
    caught_by = "test_a_field_is_one_that_the_model_lists_or_one_that_it_refuses"

    class Model(BytesEmbedder):
        def embed(self, request: EmbeddingRequest) -> Future[Embeddings]:
            if request.truncation != "refuse":
                raise InternalError("it cuts nothing")
            return super().embed(request)


class TestClosesOnce(Broken):
    caught_by = "test_a_closed_model_may_be_closed_again"

    class Model(BytesEmbedder):
        is_closed = False

        def close(self) -> None:
            assert not self.is_closed
            self.is_closed = True
