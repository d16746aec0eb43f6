"""The conformance suite of `ClassificationModel`: what the contract says, as tests that backends of this kind pass."""
# ruff: noqa: D102 - tests read as sentences by their names

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from panope_backends.api import ClassificationModel, ClassificationRequest, LoadedModel
from panope_backends.errors import InvalidInputError
from panope_backends.testing.contracts.backend import BackendContract

#: A value for each field that a model may not honour, other than its default.
VALUES: Mapping[str, Mapping[str, Any]] = {
    "second_texts": {"second_texts": ("b",)},
    "truncation": {"truncation": "end"},
}


class ClassificationModelContract(BackendContract):
    """Tests of one backend with one small model; the fixtures `backend` and `model` must be given."""

    kind = ClassificationModel

    texts = ("river", "quiet copper morning", "naïve 東京 😀", "a")
    """To which the model gives other values each."""

    timeout_seconds = 60.0
    """The longest that a test waits for values."""

    def use(self, loaded: LoadedModel) -> None:
        """Classifies a text."""
        assert isinstance(loaded, ClassificationModel)
        loaded.classify(self.request(loaded, "a")).result(self.timeout_seconds)

    @pytest.fixture
    def classifier(self, loaded: LoadedModel) -> ClassificationModel:
        """The model."""
        assert isinstance(loaded, ClassificationModel)
        return loaded

    def request(self, classifier: ClassificationModel, *texts: str, **more: Any) -> ClassificationRequest:
        """Of texts, which stand second where the model only compares."""
        if classifier.needs_second_texts:
            more = {"second_texts": texts, **more}
            return ClassificationRequest(tuple("q" for _ in texts), **more)
        return ClassificationRequest(texts, **more)

    def values(self, classifier: ClassificationModel, *texts: str) -> np.ndarray[Any, Any]:
        """The values of texts."""
        found = classifier.classify(self.request(classifier, *texts)).result(self.timeout_seconds)
        assert found.tokens >= 0
        return found.values

    def test_each_text_has_a_finite_value_for_each_label(self, classifier: ClassificationModel) -> None:
        assert len(set(classifier.labels)) == len(classifier.labels) >= 1
        values = self.values(classifier, *self.texts)
        assert values.dtype == np.float32
        assert values.shape == (len(self.texts), len(classifier.labels))
        assert np.isfinite(values).all()

    def test_values_come_in_the_order_of_the_texts(self, classifier: ClassificationModel) -> None:
        together = self.values(classifier, *self.texts)
        alone = np.concatenate([self.values(classifier, text) for text in self.texts])
        np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-3)
        assert len({tuple(row) for row in together.tolist()}) == len(self.texts)

    def test_requests_run_side_by_side(self, classifier: ClassificationModel) -> None:
        begun = [classifier.classify(self.request(classifier, text)) for text in self.texts]
        found = np.concatenate([each.result(self.timeout_seconds).values for each in begun])
        np.testing.assert_allclose(found, self.values(classifier, *self.texts), rtol=1e-3, atol=1e-3)

    @pytest.mark.parametrize("name", VALUES)
    def test_a_field_is_one_that_the_model_lists_or_one_that_it_refuses(
        self, classifier: ClassificationModel, name: str
    ) -> None:
        assert classifier.honoured <= VALUES.keys()
        request = self.request(classifier, "a", **VALUES[name])
        if name in classifier.honoured:
            assert len(classifier.classify(request).result(self.timeout_seconds).values) == 1
            return
        with pytest.raises(InvalidInputError) as refusal:
            classifier.classify(request).result(self.timeout_seconds)
        assert refusal.value.field == name

    def test_a_model_that_only_compares_refuses_texts_alone(self, classifier: ClassificationModel) -> None:
        if not classifier.needs_second_texts:
            assert len(self.values(classifier, "a")) == 1
            return
        assert "second_texts" in classifier.honoured
        with pytest.raises(InvalidInputError) as refusal:
            classifier.classify(ClassificationRequest(("a",))).result(self.timeout_seconds)
        assert refusal.value.field == "second_texts"

    def test_a_closed_model_may_be_closed_again(self, classifier: ClassificationModel) -> None:
        self.use(classifier)
        classifier.close()
        classifier.close()
