"""Other models that embed, in real workers behind a real Envoy: a table of token vectors, and a sparse encoder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from safetensors.numpy import save_file

from command_line import panope
from panope_backends.testing.models import ENCODER_WORDS, tiny_classifier, tiny_gguf_encoder
from panope_client import Client, InvalidInputError, PreconditionError
from panope_registry.session import RegistrySession

# Workers with PyTorch, a conversion, and the library that they are compared with.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TABLE, WORDS, SPARSE = "acme/table", "acme/words", "acme/splade"
COLBERT = "acme/colbert"
GGUF, GGUF_RERANKER = "acme/gguf", "acme/gguf-reranker"
TEXTS = ["the quick fox runs over the river bank", "a dog sleeps"]


#: Where the library has its modules.
_USUAL = "sentence_transformers.models."
_PLACES = {"SpladePooling": "sentence_transformers.sparse_encoder.models.", "Dense": "pylate.models.Dense."}


def _modules(folder: Path, **kinds: str) -> None:
    listed = [
        {"idx": number, "name": str(number), "path": path, "type": f"{_PLACES.get(kind, _USUAL)}{kind}"}
        for number, (kind, path) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(listed))


def _table(folder: Path) -> None:
    tiny_classifier(folder, "classify", ("a", "b"))
    for name in ("config.json", "tokenizer_config.json", "model.safetensors"):
        (folder / name).unlink()
    vectors = np.random.default_rng(0).standard_normal((64, 16), dtype=np.float32)
    save_file({"embeddings": vectors}, folder / "model.safetensors")
    _modules(folder, StaticEmbedding=".", Normalize="1_Normalize")


def _words(folder: Path) -> None:
    """Saved by the library itself, as newcomers have it."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import CNN, Pooling, WordEmbeddings, WordWeights
    from sentence_transformers.sentence_transformer.modules.tokenizer import WhitespaceTokenizer

    listed = ["PADDING_TOKEN", "quick", "fox", "dog", "sleeps", "river"]
    table = np.random.default_rng(7).standard_normal((len(listed), 8), dtype=np.float32)
    modules = [WordEmbeddings(WhitespaceTokenizer(listed), table, max_seq_length=5), WordWeights(listed, {"fox": 2.5})]
    made = SentenceTransformer(modules=[*modules, CNN(8, 6, [1, 3]), Pooling(12)], device="cpu")
    made.save(str(folder), create_model_card=False)


def _sparse(folder: Path) -> None:
    import transformers

    tiny_classifier(folder, "classify", ("a", "b"))
    config = transformers.AutoConfig.from_pretrained(folder)
    transformers.AutoModelForMaskedLM.from_config(config).save_pretrained(folder)
    (folder / "sentence_bert_config.json").write_text(json.dumps({"transformer_task": "fill-mask"}))
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"model_type": "SparseEncoder"}))
    (folder / "1_SpladePooling").mkdir()
    (folder / "1_SpladePooling/config.json").write_text(json.dumps({"pooling_strategy": "max"}))
    _modules(folder, Transformer="", SpladePooling="1_SpladePooling")


def _colbert(folder: Path) -> None:
    import torch
    import transformers

    tiny_classifier(folder, "classify", ("a", "b"))
    config = transformers.AutoConfig.from_pretrained(folder)
    torch.manual_seed(4)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    (folder / "1_Dense").mkdir()
    weights = np.random.default_rng(4).standard_normal((8, config.hidden_size), dtype=np.float32)
    save_file({"linear.weight": weights}, folder / "1_Dense/model.safetensors")
    dense = {"in_features": config.hidden_size, "out_features": 8, "bias": False}
    dense["activation_function"] = "torch.nn.modules.linear.Identity"
    (folder / "1_Dense/config.json").write_text(json.dumps(dense))
    pylate = {"model_type": "ColBERT", "query_prefix": "the ", "document_prefix": "a ", "query_length": 10}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(pylate | {"document_length": 16}))
    _modules(folder, Transformer="", Dense="1_Dense")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for name, write in ((TABLE, _table), (WORDS, _words), (SPARSE, _sparse), (COLBERT, _colbert)):
        made[name] = tmp_path_factory.mktemp("model")
        write(made[name])
    for name, pooling in ((GGUF, 1), (GGUF_RERANKER, 4)):
        made[name] = tmp_path_factory.mktemp("gguf")
        tiny_gguf_encoder(made[name], pooling)
    return made


@pytest.fixture(scope="module")
def server(make_servers: Any, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("embedding-models")
    home = folder / "home"
    session = RegistrySession.open(home / "registry.sqlite3", home)
    for name, path in folders.items():
        session.registry.import_folder(path, name)
    session.close()
    servers = make_servers(folder, folder)
    try:
        yield servers.start(home=home, demo=False)
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[Client]:
    with Client(server.grpc_address, timeout=300) as made:
        yield made


@pytest.mark.parametrize("backend", ["cpu", "openvino"])
def test_a_table_embeds_as_by_sentence_transformers(client: Client, folders: dict[str, Path], backend: str) -> None:
    from sentence_transformers import SentenceTransformer

    client.load(TABLE, backend=backend, precision="fp32")
    expected = SentenceTransformer(str(folders[TABLE]), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(client.embed(TEXTS, TABLE).vectors, expected, atol=1e-5)


def test_words_embed_as_by_sentence_transformers_by_every_way_in(
    server: Any, client: Client, folders: dict[str, Path]
) -> None:
    from sentence_transformers import SentenceTransformer

    texts = ["The quick fox", "a dog, a river", "nothing known"]
    expected = SentenceTransformer(str(folders[WORDS]), device="cpu").encode(texts, batch_size=1)
    found = client.embed(texts, WORDS)
    np.testing.assert_allclose(found.vectors, expected, atol=1e-5)
    assert list(found.token_counts) == [2, 2, 0]
    reply = httpx.post(f"{server.http_url}/v1/embeddings", json={"model": WORDS, "input": texts}, timeout=60).json()
    np.testing.assert_allclose([each["embedding"] for each in reply["data"]], expected, atol=1e-5)
    assert reply["usage"]["prompt_tokens"] == 4
    printed = panope("embed", WORDS, *texts, "--json", "--address", server.grpc_address).json
    np.testing.assert_allclose([each["embedding"] for each in printed], expected, atol=1e-5)
    body = {"model": WORDS, "input": "fox " * 6}
    refused = httpx.post(f"{server.http_url}/v1/embeddings", json=body, timeout=60)
    assert (refused.status_code, "at most 5" in refused.json()["error"]["message"]) == (400, True)
    (told,) = client.tokenize(["The quick fox"], WORDS)
    assert told.tokens == ("quick", "fox")
    with pytest.raises(PreconditionError, match="by the backend `cpu`"):
        client.load(WORDS, backend="openvino")


@pytest.fixture(scope="module")
def expected(folders: dict[str, Path]) -> np.ndarray:
    from sentence_transformers import SparseEncoder

    found: np.ndarray = SparseEncoder(str(folders[SPARSE]), device="cpu").encode(TEXTS, batch_size=1).to_dense().numpy()
    return found


def _same(indices: Any, values: Any, row: np.ndarray) -> None:
    assert list(indices) == np.nonzero(row)[0].tolist()
    np.testing.assert_allclose(list(values), row[np.nonzero(row)], rtol=1e-3, atol=1e-4)


def test_sparse_vectors_are_the_same_by_every_way_in(server: Any, client: Client, expected: np.ndarray) -> None:
    client.load(SPARSE, precision="fp32")
    found = client.embed(TEXTS, SPARSE)
    assert (len(found), found.vectors.shape, found.dimensions) == (2, (0, expected.shape[1]), expected.shape[1])
    for row, vector, value in zip(expected, found.sparse_vectors, client.infer_value(TEXTS, SPARSE), strict=True):
        _same(vector.indices, vector.values, row)
        _same([int(index) for index in value["indices"]], value["values"], row)
    printed = panope("embed", SPARSE, *TEXTS, "--json", "--address", server.grpc_address).json
    for row, told in zip(expected, printed, strict=True):
        _same(told["indices"], told["values"], row)


def test_what_sparse_vectors_do_not_have_is_refused_by_name(server: Any, client: Client) -> None:
    client.load(SPARSE, precision="fp32")
    refused = httpx.post(f"{server.http_url}/v1/embeddings", json={"model": SPARSE, "input": TEXTS})
    assert refused.status_code == 400
    assert "sparse vectors, which this route does not hold" in refused.json()["error"]["message"]
    with pytest.raises(InvalidInputError, match="normalize"):
        client.embed(TEXTS, SPARSE, normalize=True)
    with pytest.raises(InvalidInputError, match="dimensions"):
        client.embed(TEXTS, SPARSE, dimensions=8)
    with pytest.raises(InvalidInputError, match="tokens"):
        client.embed(["fox " * 200], SPARSE)


def test_a_gguf_file_embeds_and_reranks_by_every_way_in(server: Any, client: Client, folders: dict[str, Path]) -> None:
    texts = ["a man is eating", "quiet river"]
    ids = [[2, *(ENCODER_WORDS.index(word) for word in text.split()), 3] for text in texts]
    found = client.embed(texts, GGUF)
    assert (found.vectors.shape, list(found.token_counts)) == ((2, 64), [6, 4])
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(client.embed(ids, GGUF).vectors, found.vectors, atol=1e-5)
    reply = httpx.post(f"{server.http_url}/v1/embeddings", json={"model": GGUF, "input": texts}, timeout=60).json()
    np.testing.assert_allclose([each["embedding"] for each in reply["data"]], found.vectors, atol=1e-5)
    ranked = client.rerank("man", ["quiet river", "a man", "food"], GGUF_RERANKER)
    reply = httpx.post(
        f"{server.http_url}/v1/rerank",
        json={"model": GGUF_RERANKER, "query": "man", "documents": ["quiet river", "a man", "food"]},
        timeout=60,
    ).json()
    assert [each["index"] for each in reply["results"]] == [each.index for each in ranked.results]


def test_vectors_of_tokens_are_the_same_by_every_way_in(server: Any, client: Client, folders: dict[str, Path]) -> None:
    from sentence_transformers import MultiVectorEncoder

    library = MultiVectorEncoder(str(folders[COLBERT]), device="cpu")
    query, documents = "the quick fox", ["a dog sleeps", "the quick fox runs over the river bank", "london"]
    (asked,), read = (
        library.encode_query([query], convert_to_numpy=True),
        library.encode_document(documents, convert_to_numpy=True, batch_size=1),
    )
    client.load(COLBERT, backend="cpu", precision="fp32")
    (found,) = client.embed([query], COLBERT, purpose="query").multi_vectors
    np.testing.assert_allclose(found, asked, atol=1e-4)
    answer = client.embed(documents, COLBERT)
    for ours, theirs in zip(answer.multi_vectors, read, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    for ours, theirs in zip(client.infer_value(documents, COLBERT), read, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    wanted = library.similarity([asked], read)[0].tolist()
    ranked = client.rerank(query, documents, COLBERT)
    assert [each.index for each in ranked.results] == sorted(range(3), key=lambda at: -wanted[at])
    body = {"model": COLBERT, "query": query, "documents": documents}
    reply = httpx.post(f"{server.http_url}/v1/rerank", json=body, timeout=60).json()
    by_index = {each["index"]: each["relevance_score"] for each in reply["results"]}
    np.testing.assert_allclose([by_index[at] for at in range(3)], wanted, atol=1e-3)
    refused = httpx.post(f"{server.http_url}/v1/embeddings", json={"model": COLBERT, "input": "a"}, timeout=60)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "multi_vectors")
    with pytest.raises(InvalidInputError, match="one vector for each text"):
        client.rerank(query, documents, TABLE)
    printed = panope("embed", COLBERT, *documents, "--json", "--address", server.grpc_address).json
    for told, theirs in zip(printed, read, strict=True):
        np.testing.assert_allclose(told["embeddings"], theirs, atol=1e-4)
