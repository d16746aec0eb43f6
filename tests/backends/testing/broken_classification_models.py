"""Models that classify with one fault each, under the suite that must find it; see `broken_token_models`."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, ClassVar

import numpy as np
import pytest

from panope_backends.api import (
    API_VERSION,
    Backend,
    ClassificationModel,
    ClassificationRequest,
    Classifications,
    LoadOptions,
    ModelFacts,
)
from panope_backends.engines.precision import choose_precision
from panope_backends.errors import InternalError
from panope_backends.testing import ClassificationModelContract


class BytesClassifier(ClassificationModel):
    """How often each of four kinds of bytes is in a text, or in both: it keeps the contract."""

    precision = "fp32"
    labels = ("0", "1", "2", "3")
    honoured = frozenset({"second_texts"})

    def classify(self, request: ClassificationRequest) -> Future[Classifications]:
        self.require_supported(request)
        texts = request.texts
        if request.second_texts:
            texts = tuple(map("".join, zip(texts, request.second_texts, strict=True)))
        found: Future[Classifications] = Future()
        found.set_result(Classifications(self.values(texts)))
        return found

    def values(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        kinds = [[sum(byte % 4 == kind for byte in text.encode()) for kind in range(4)] for text in texts]
        return np.array(kinds, np.float32).reshape(len(texts), 4)


class Broken(ClassificationModelContract):
    """Runs the suite on `Model`."""

    timeout_seconds = 1.0
    caught_by: ClassVar[str]
    Model: ClassVar[type[ClassificationModel]] = BytesClassifier

    @pytest.fixture
    def backend(self) -> Backend:
        kind = self.Model

        class BytesBackend(Backend):
            name = "bytes"
            api_version = API_VERSION

            def load(self, model: ModelFacts, folder: Any, device: str, options: LoadOptions) -> ClassificationModel:
                choose_precision(options.precision, ("fp32",), f"{self.name} on {device}")
                return kind()

        return BytesBackend()

    @pytest.fixture
    def model(self) -> ModelFacts:
        return ModelFacts("test/bytes", "safetensors", "classify")


class TestDoubles(Broken):
    caught_by = "test_each_text_has_a_finite_value_for_each_label"

    class Model(BytesClassifier):
        def values(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
            return super().values(texts).astype(np.float64)


class TestLabelsAlike(Broken):
    caught_by = "test_each_text_has_a_finite_value_for_each_label"

    class Model(BytesClassifier):
        labels = ("0", "1", "2", "2")


class TestAnOrderOfItsOwn(Broken):
    caught_by = "test_values_come_in_the_order_of_the_texts"

    class Model(BytesClassifier):
        def values(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
            return super().values(sorted(texts))


class TestOneBufferForAll(Broken):
    caught_by = "test_requests_run_side_by_side"

    class Model(BytesClassifier):
        buffer = np.zeros((9, 4), np.float32)

        def values(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
            self.buffer[: len(texts)] = super().values(texts)
            return self.buffer[: len(texts)]


class TestFieldIsPassedOver(Broken):
    caught_by = "test_a_field_is_one_that_the_model_lists_or_one_that_it_refuses"

    class Model(BytesClassifier):
        def require_supported(self, request: ClassificationRequest) -> None:
            """Refuses nothing."""


class TestListedFieldFails(Broken):
    caught_by = "test_a_field_is_one_that_the_model_lists_or_one_that_it_refuses"

    class Model(BytesClassifier):
        def classify(self, request: ClassificationRequest) -> Future[Classifications]:
            if request.second_texts:
                raise InternalError("it compares nothing")
            return super().classify(request)


class TestComparesAndTakesTextsAlone(Broken):
    caught_by = "test_a_model_that_only_compares_refuses_texts_alone"

    class Model(BytesClassifier):
        needs_second_texts = True

        def require_supported(self, request: ClassificationRequest) -> None:
            if request.second_texts:
                super().require_supported(request)


class TestClosesOnce(Broken):
    caught_by = "test_a_closed_model_may_be_closed_again"

    class Model(BytesClassifier):
        is_closed = False

        def close(self) -> None:
            assert not self.is_closed
            self.is_closed = True
