"""GGUF models of texts: vectors and scores of llama.cpp, and of transformers on the same weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope_backends.api import (
    Backend,
    ClassificationRequest,
    EmbeddingModel,
    EmbeddingRequest,
    LoadOptions,
    ModelFacts,
)
from panope_backends.engines.llama_cpp.backend import LlamaCppBackend
from panope_backends.engines.llama_cpp.texts import GgufReranker
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.testing import ClassificationModelContract, EmbeddingModelContract
from panope_backends.testing.models import ENCODER_WORDS, tiny_gguf_encoder

TEXTS = ("a man is eating", "the river", "engine window , quiet copper .")
POOLINGS = {1: "mean", 2: "cls", 3: "last"}


class TestGgufEmbedding(EmbeddingModelContract):
    texts = ("river", "quiet copper window", "the man is eating food", "a")

    @pytest.fixture
    def backend(self) -> Backend:
        return LlamaCppBackend()

    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        return tiny_gguf_encoder(tmp_path)[0]


class TestGgufReranker(ClassificationModelContract):
    texts = ("river", "quiet copper window", "the man is eating food", "a")

    @pytest.fixture
    def backend(self) -> Backend:
        return LlamaCppBackend()

    @pytest.fixture
    def model(self, tmp_path: Path) -> ModelFacts:
        return tiny_gguf_encoder(tmp_path, 4)[0]


def load(folder: Path, pooling: int | None = 1, task: str = "") -> Any:
    facts, _ = tiny_gguf_encoder(folder, pooling)
    facts = ModelFacts(facts.name, facts.format, task or facts.task, facts.architecture)
    return LlamaCppBackend().load(facts, folder, "CPU", LoadOptions())


@pytest.fixture
def embedder(tmp_path: Path) -> Iterator[EmbeddingModel]:
    model = load(tmp_path)
    yield model
    model.close()


def bert(weights: Any, words: int) -> Any:
    """The same model in transformers."""
    import torch
    import transformers

    config = transformers.BertConfig(
        vocab_size=words, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
        max_position_embeddings=64,
    )  # fmt: skip
    names = {"token_embd": "embeddings.word_embeddings", "position_embd": "embeddings.position_embeddings"}
    names |= {"token_types": "embeddings.token_type_embeddings", "token_embd_norm": "embeddings.LayerNorm"}
    for block in range(2):
        ours, theirs = f"blk.{block}.", f"encoder.layer.{block}."
        names |= {
            ours + "attn_q": theirs + "attention.self.query",
            ours + "attn_k": theirs + "attention.self.key",
            ours + "attn_v": theirs + "attention.self.value",
            ours + "attn_output": theirs + "attention.output.dense",
            ours + "attn_output_norm": theirs + "attention.output.LayerNorm",
            ours + "ffn_up": theirs + "intermediate.dense",
            ours + "ffn_down": theirs + "output.dense",
            ours + "layer_output_norm": theirs + "output.LayerNorm",
        }
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    state = {}
    for name, values in weights.items():
        stem, _, kind = name.rpartition(".")
        state[f"{names[stem]}.{kind}"] = torch.from_numpy(np.asarray(values, np.float32))
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected
    assert not [name for name in missing if "position_ids" not in name]
    return model


@pytest.mark.parametrize("pooling", POOLINGS)
def test_vectors_are_those_of_llama_cpp_itself_and_of_transformers(tmp_path: Path, pooling: int) -> None:
    import torch
    import xllamacpp

    _, weights = tiny_gguf_encoder(tmp_path, pooling)
    model = load(tmp_path, pooling)
    found = model.embed(EmbeddingRequest(TEXTS)).result(60)
    as_pooled = model.embed(EmbeddingRequest(TEXTS, normalize=False)).result(60).vectors
    model.close()

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(tmp_path / "tiny-encoder.gguf")
    parameters.embedding, parameters.n_ctx, parameters.warmup, parameters.verbosity = True, 256, False, 1
    library = xllamacpp.Server(parameters)
    answer = library.handle_embeddings(json.dumps({"input": list(TEXTS)}))
    answer = json.loads(answer) if isinstance(answer, str) else answer
    theirs = np.array([each["embedding"] for each in answer["data"]], np.float32)
    np.testing.assert_allclose(found.vectors, theirs, atol=1e-5)
    assert found.tokens == answer["usage"]["prompt_tokens"]

    ids = [[2, *(ENCODER_WORDS.index(word) for word in text.split()), 3] for text in TEXTS]
    encoder = bert(weights, len(ENCODER_WORDS))
    with torch.inference_mode():
        hidden = [encoder(torch.tensor([row])).last_hidden_state[0].numpy() for row in ids]
    pool = {"mean": lambda rows: rows.mean(0), "cls": lambda rows: rows[0], "last": lambda rows: rows[-1]}
    wanted = np.stack([pool[POOLINGS[pooling]](rows) for rows in hidden])
    np.testing.assert_allclose(as_pooled, wanted, atol=2e-2)


def test_token_ids_are_embedded_as_they_are_given(embedder: EmbeddingModel) -> None:
    texts = embedder.embed(EmbeddingRequest(("a man",))).result(60).vectors
    ids = embedder.embed(EmbeddingRequest(token_sequences=((2, 5, 6, 3),))).result(60).vectors
    np.testing.assert_allclose(texts, ids, atol=1e-6)
    with pytest.raises(InvalidInputError, match=r"token_sequences\[0\]"):
        embedder.embed(EmbeddingRequest(token_sequences=((99,),)))


def test_a_text_that_is_too_long_is_refused_or_cut_between_its_special_tokens(embedder: EmbeddingModel) -> None:
    words = ["river"] * 40 + ["man"] * 40
    long = " ".join(words)
    with pytest.raises(InvalidInputError, match=r"`texts\[1\]` has 82 tokens; the model takes at most 64"):
        embedder.embed(EmbeddingRequest(("a", long))).result(60)
    for truncation, kept in (("end", words[:62]), ("start", words[-62:])):
        cut = embedder.embed(EmbeddingRequest((long,), truncation=truncation)).result(60)
        whole = embedder.embed(EmbeddingRequest((" ".join(kept),))).result(60)
        np.testing.assert_allclose(cut.vectors, whole.vectors, atol=1e-6)
        assert (cut.token_counts, cut.truncated) == ((64,), (0,))


def test_special_tokens_that_are_written_in_a_text_are_text(embedder: EmbeddingModel) -> None:
    written, plain = embedder.embed(EmbeddingRequest(("a [SEP] man", "a man"))).result(60).vectors
    ids = embedder.embed(EmbeddingRequest(token_sequences=((2, 5, 3, 6, 3),))).result(60).vectors[0]
    assert not np.allclose(written, plain, atol=1e-3)
    assert not np.allclose(written, ids, atol=1e-3)


@pytest.mark.parametrize(("pooling", "task"), [(None, "embed"), (0, "embed"), (4, "embed"), (1, "rerank")])
def test_a_file_whose_pooling_does_not_do_the_task_is_refused_by_its_key(
    tmp_path: Path, pooling: int | None, task: str
) -> None:
    with pytest.raises(PreconditionError, match=r"bert\.pooling_type") as error:
        load(tmp_path, pooling, task)
    assert error.value.reason == "no_pooling"


def test_scores_are_those_of_llama_cpp_in_the_order_of_the_documents(tmp_path: Path) -> None:
    model = load(tmp_path, 4)
    assert isinstance(model, GgufReranker)
    documents = ("the river", "food", "engine window", "a man")
    queries = ("man", "man", "river", "river")
    found = model.classify(ClassificationRequest(queries, documents)).result(60)
    alone = [
        float(model.classify(ClassificationRequest((query,), (document,))).result(60).values[0, 0])
        for query, document in zip(queries, documents, strict=True)
    ]
    assert found.values[:, 0].tolist() == pytest.approx(alone, abs=1e-5)
    assert len(set(alone)) == 4
    theirs = model._texts.call("/rerank", {"query": "river", "documents": ["a man"]})["results"][0]
    assert found.values[3, 0] == pytest.approx(theirs["relevance_score"], abs=1e-5)
    with pytest.raises(InvalidInputError, match=r"`texts\[1\]` has 85 tokens with its second text"):
        model.classify(ClassificationRequest(("man", "man"), ("a", "river " * 80))).result(60)
    model.close()
