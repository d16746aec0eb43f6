"""The conformance suite of `EmbeddingModel`: what the contract says, as tests that backends of this kind pass."""
# ruff: noqa: D102 - tests read as sentences by their names

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from panope_backends.api import EmbeddingModel, EmbeddingRequest, LoadedModel
from panope_backends.errors import InvalidInputError
from panope_backends.testing.contracts.backend import BackendContract

#: A value for each field that a model may not honour, other than its default.
VALUES: Mapping[str, Mapping[str, Any]] = {
    "token_sequences": {"texts": (), "token_sequences": ((1, 2),)},
    "truncation": {"truncation": "end"},
    "normalize": {"normalize": False},
    "prompt_name": {"prompt_name": "query"},
}


class EmbeddingModelContract(BackendContract):
    """Tests of one backend with one small model; the fixtures `backend` and `model` must be given."""

    kind = EmbeddingModel

    texts = ("river", "quiet copper morning", "naïve 東京 😀", "a")
    """No two alike."""

    timeout_seconds = 60.0
    """The longest that a test waits for vectors."""

    def use(self, loaded: LoadedModel) -> None:
        """Embeds a text."""
        assert isinstance(loaded, EmbeddingModel)
        loaded.embed(EmbeddingRequest(("a",))).result(self.timeout_seconds)

    @pytest.fixture
    def embedder(self, loaded: LoadedModel) -> EmbeddingModel:
        """The model."""
        assert isinstance(loaded, EmbeddingModel)
        return loaded

    def vectors(self, embedder: EmbeddingModel, *texts: str) -> np.ndarray[Any, Any]:
        """The vectors of texts."""
        found = embedder.embed(EmbeddingRequest(texts)).result(self.timeout_seconds)
        assert found.tokens >= 0
        return found.vectors

    def test_each_text_has_a_finite_vector_of_one_width(self, embedder: EmbeddingModel) -> None:
        vectors = self.vectors(embedder, *self.texts)
        assert vectors.dtype == np.float32
        assert vectors.shape[0] == len(self.texts)
        assert vectors.shape[1] >= 1
        assert np.isfinite(vectors).all()

    def test_vectors_come_in_the_order_of_the_texts(self, embedder: EmbeddingModel) -> None:
        together = self.vectors(embedder, *self.texts)
        alone = np.concatenate([self.vectors(embedder, text) for text in self.texts])
        np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-3)
        assert len({tuple(row) for row in together.tolist()}) == len(self.texts)

    def test_requests_run_side_by_side(self, embedder: EmbeddingModel) -> None:
        begun = [embedder.embed(EmbeddingRequest((text,))) for text in self.texts]
        found = np.concatenate([each.result(self.timeout_seconds).vectors for each in begun])
        np.testing.assert_allclose(found, self.vectors(embedder, *self.texts), rtol=1e-3, atol=1e-3)

    @pytest.mark.parametrize("name", VALUES)
    def test_a_field_is_one_that_the_model_lists_or_one_that_it_refuses(
        self, embedder: EmbeddingModel, name: str
    ) -> None:
        assert embedder.honoured <= VALUES.keys()
        request = EmbeddingRequest(**{"texts": ("a",), **VALUES[name]})
        if name in embedder.honoured:
            assert len(embedder.embed(request).result(self.timeout_seconds).vectors) == 1
            return
        with pytest.raises(InvalidInputError) as refusal:
            embedder.embed(request).result(self.timeout_seconds)
        assert refusal.value.field == name

    def test_a_closed_model_may_be_closed_again(self, embedder: EmbeddingModel) -> None:
        self.use(embedder)
        embedder.close()
        embedder.close()
