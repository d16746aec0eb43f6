"""Models with a vector for each token: every form of their files gives what sentence-transformers gives for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panope.worker.v1 import classify_pb2, embed_pb2
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.embed.multi_vectors import max_sim
from panope_backends.tasks.embed.step_weights import keep_projection, read_projection
from panope_backends.tasks.task import SequenceJob
from panope_backends.testing.models import tiny_classifier
from panope_backends.testing.serving import served
from panope_backends.worker.loading import ServedModel

QUERIES = ["the quick fox", "a dog sleeps"]
DOCUMENTS = ["the quick fox runs over the river bank", "a dog sleeps", "london", "the dog , the fox"]

_BERT, _MODEL = "sentence_bert_config.json", "config_sentence_transformers.json"
_EXPANDED = {"strategy": "fixed", "attend": False, "token": None, "length": 12}

Write = Callable[..., Path]


def _change(path: Path, values: Mapping[str, Any]) -> None:
    content = json.loads(path.read_text())
    for name, value in values.items():
        if value is None:
            content.pop(name, None)
        else:
            content[name] = value
    path.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder with a seeded projection, as sentence-transformers saves it."""
    import torch
    import transformers
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    base, folder = tmp_path_factory.mktemp("base"), tmp_path_factory.mktemp("native")
    tiny_classifier(base, "classify", ("a", "b"))
    config = transformers.AutoConfig.from_pretrained(base)
    torch.manual_seed(1)
    transformers.AutoModel.from_config(config).save_pretrained(base)
    encoder = Transformer(str(base), query_expansion=_EXPANDED, document_length=20)
    dense = Dense(
        encoder.get_embedding_dimension(),
        8,
        bias=False,
        activation_function=torch.nn.Identity(),
        module_input_name="token_embeddings",
    )
    mask = MultiVectorMask(skiplist_words=[",", "fox"])
    modules = [encoder, dense, mask, Normalize(module_input_name="token_embeddings")]
    MultiVectorEncoder(modules=modules, prompts={"query": "the ", "document": "a "}).save(str(folder))
    return folder


@pytest.fixture
def write(saved: Path, tmp_path: Path) -> Write:
    """A copy with other files."""

    def make(**changes: Mapping[str, Any]) -> Path:
        folder = tmp_path / f"model-{len(list(tmp_path.iterdir()))}"
        shutil.copytree(saved, folder)
        for name, values in changes.items():
            _change(folder / {"bert": _BERT, "model": _MODEL, "mask": "2_MultiVectorMask/config.json"}[name], values)
        return folder

    return make


def pylate(folder: Path, **settings: Any) -> Path:
    """As PyLate 3 saves it: a Transformer and a Dense of its own, and all else in one file."""
    modules = json.loads((folder / "modules.json").read_text())[:2]
    modules[0]["type"] = "sentence_transformers.models.Transformer"
    modules[1]["type"] = "pylate.models.Dense.Dense"
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / _BERT).write_text(json.dumps({"max_seq_length": 30, "do_lower_case": False}))
    _change(folder / "1_Dense/config.json", {"module_input_name": None, "module_output_name": None})
    model = {"model_type": "ColBERT", "prompts": {}, "default_prompt_name": None, "similarity_fn_name": "MaxSim"}
    model |= {"query_prefix": "[unused0] ", "document_prefix": "a ", "query_length": 10, "document_length": 16}
    (folder / _MODEL).write_text(json.dumps(model | settings))
    return folder


def load(folder: Path) -> ServedModel:
    return served(folder, cache_folder=str(folder.parent / "cache"))


def run(model: ServedModel, task: str, message: Any) -> bytes:
    """One request, in batches of texts of several lengths."""
    job = model.requests[task](message.SerializeToString())
    assert isinstance(job, SequenceJob)
    assert model.sequences is not None
    rows = np.empty(len(job.sequences), object)
    for start in range(0, len(job.sequences), 3):
        for at, row in enumerate(model.sequences.run(job.sequences[start : start + 3]), start):
            rows[at] = row
    return job.answer(rows)


def vectors(model: ServedModel, texts: list[str], purpose: str = "", **more: Any) -> list[np.ndarray[Any, Any]]:
    asked = embed_pb2.EmbedInput(texts=texts, truncation="end", purpose=purpose, **more)
    answer = embed_pb2.EmbedOutput.FromString(run(model, "embed", asked))
    assert len(answer.vector_counts) == len(texts)
    rows = np.frombuffer(answer.vectors, "<f4").reshape(-1, answer.dimensions)
    return np.split(rows, np.cumsum(answer.vector_counts)[:-1])


def reference(folder: Path) -> Any:
    from sentence_transformers import MultiVectorEncoder

    return MultiVectorEncoder(str(folder), device="cpu", local_files_only=True)


def assert_alike(folder: Path) -> None:
    """Vectors and scores of queries and documents are the library's."""
    model, library = load(folder), reference(folder)
    for purpose, texts, encode in (
        ("query", QUERIES, library.encode_query),
        ("document", DOCUMENTS, library.encode_document),
    ):
        found = vectors(model, texts, purpose)
        wanted = encode(texts, convert_to_numpy=True, batch_size=1)
        assert [each.shape for each in found] == [each.shape for each in wanted], purpose
        for ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=2e-5)
    for query in QUERIES:
        asked = classify_pb2.RerankInput(query=query, documents=DOCUMENTS, truncation="end")
        scores = classify_pb2.RerankOutput.FromString(run(model, "rerank", asked)).scores
        theirs = library.similarity(
            library.encode_query([query], convert_to_numpy=True),
            library.encode_document(DOCUMENTS, convert_to_numpy=True),
        )
        np.testing.assert_allclose(scores, theirs[0].tolist(), atol=1e-4)
    model.model.close()


LONG = {"document_length": 6}

NATIVE: Mapping[str, dict[str, dict[str, Any]]] = {
    "as it is saved": {},
    "expanded tokens that others see": {"bert": {"query_expansion": {**_EXPANDED, "attend": True}}},
    "expanded by a word": {"bert": {"query_expansion": {**_EXPANDED, "token": "fox"}}},
    "queries that are cut": {"bert": {"query_expansion": {**_EXPANDED, "length": 4}}},
    "at least so long": {"bert": {"query_expansion": {**_EXPANDED, "strategy": "min", "length": 4}, "query_length": 6}},
    "no expansion": {"bert": {"query_expansion": None, "query_length": 4}},
    "short documents": {"bert": LONG},
    "no words skipped": {"mask": {"skiplist_words": []}},
    "skipped in queries too": {"mask": {"skiplist_tasks": ["query", "document"]}},
    "words that are no token": {"mask": {"skiplist_words": ["no such token", "fox"]}},
    "a mean": {"model": {"similarity_fn_name": "meanmaxsim"}},
    "no prompts": {"model": {"prompts": {}}},
}


@pytest.mark.parametrize("case", NATIVE)
def test_vectors_and_scores_are_those_of_sentence_transformers(write: Write, case: str) -> None:
    assert_alike(write(**NATIVE[case]))


PYLATE: Mapping[str, dict[str, Any]] = {
    "as it is saved": {},
    "no expansion": {"do_query_expansion": False},
    "seen": {"attend_to_expansion_tokens": True},
    "its own words": {"skiplist_words": ["fox"]},
    "no length": {"query_length": None},
}


@pytest.mark.parametrize("case", PYLATE)
def test_a_folder_of_pylate_is_read_as_sentence_transformers_reads_it(write: Write, case: str) -> None:
    assert_alike(pylate(write(), **PYLATE[case]))


def colbert(folder: Path, **metadata: Any) -> Path:
    """As ColBERT's own code saves it: the projection beside the encoder's weights, and all else in one file."""
    from safetensors.numpy import load_file, save_file

    weights = {f"bert.{name}": tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(weights | load_file(folder / "1_Dense/model.safetensors"), folder / "model.safetensors")
    for name in ("1_Dense", "2_MultiVectorMask", "3_Normalize"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("modules.json", _BERT, _MODEL):
        (folder / name).unlink()
    _change(folder / "config.json", {"architectures": ["HF_ColBERT"]})
    told = {"query_maxlen": 10, "doc_maxlen": 16, "dim": 8, "nbits": 1, "query_token_id": "[unused0]"}
    (folder / "artifact.metadata").write_text(json.dumps(told | metadata))
    return folder


COLBERT: Mapping[str, dict[str, Any]] = {
    "as it is saved": {},
    "seen": {"attend_to_mask_tokens": True},
    "punctuation counts": {"mask_punctuation": False},
    "no lengths": {"doc_maxlen": None, "query_maxlen": None},
    "another mark": {"doc_token_id": "the"},
}


@pytest.mark.parametrize("case", COLBERT)
def test_a_folder_of_colberts_own_code_is_read_as_sentence_transformers_reads_it(write: Write, case: str) -> None:
    assert_alike(colbert(write(), **COLBERT[case]))


def test_a_conversion_keeps_the_projection_of_colberts_own_code(write: Write, tmp_path: Path) -> None:
    folder, out = colbert(write()), tmp_path / "out"
    out.mkdir()
    keep_projection(folder, out)
    np.testing.assert_array_equal(read_projection(out), read_projection(folder))
    (out / "panope_projection.safetensors").write_bytes(b"no tensors")
    with pytest.raises(PreconditionError, match="cannot be read"):
        read_projection(out)


def test_a_folder_of_colberts_own_code_needs_its_projection_and_its_way_to_compare(write: Write) -> None:
    from safetensors.numpy import load_file, save_file

    with pytest.raises(PreconditionError, match="compares vectors by `l2`"):
        load(colbert(write(), similarity="l2"))
    folder = colbert(write())
    weights = load_file(folder / "model.safetensors")
    del weights["linear.weight"]
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(PreconditionError, match=r"have no `linear\.weight` of finite numbers"):
        load(folder)


def test_what_is_not_said_is_a_document_and_a_prompts_name_says(write: Write) -> None:
    model = load(write())
    (plain,), (document,) = vectors(model, DOCUMENTS[:1]), vectors(model, DOCUMENTS[:1], "document")
    np.testing.assert_array_equal(plain, document)
    (named,), (query,) = vectors(model, QUERIES[:1], prompt_name="query"), vectors(model, QUERIES[:1], "query")
    np.testing.assert_array_equal(named, query)
    assert len(query) == 12
    model.model.close()


def test_scores_of_pairs_are_those_of_each_query(write: Write) -> None:
    model = load(write())
    pairs = classify_pb2.RerankInput(queries=QUERIES, documents=DOCUMENTS[:2], truncation="end")
    found = classify_pb2.RerankOutput.FromString(run(model, "rerank", pairs))
    for query, document, score in zip(QUERIES, DOCUMENTS, found.scores, strict=False):
        one = classify_pb2.RerankInput(query=query, documents=[document], truncation="end", function="sigmoid")
        (alone,) = classify_pb2.RerankOutput.FromString(run(model, "rerank", one)).scores
        assert alone == pytest.approx(1 / (1 + np.exp(-score)), abs=1e-5)
    model.model.close()


@pytest.mark.parametrize(
    ("task", "message", "field"),
    [
        ("embed", embed_pb2.EmbedInput(texts=["a"], truncation="end", dimensions=4), "dimensions"),
        ("embed", embed_pb2.EmbedInput(texts=["a", "fox " * 30], truncation="refuse"), "texts[1]"),
        ("embed", embed_pb2.EmbedInput(texts=["a"], truncation="end", prompt_name="none"), "prompt_name"),
        ("rerank", classify_pb2.RerankInput(query="fox " * 20, documents=["a"], truncation="refuse"), "query"),
        ("rerank", classify_pb2.RerankInput(query="a", documents=["a", "fox " * 30], first_index=4), "documents[5]"),
        ("rerank", classify_pb2.RerankInput(query="a", documents=["a"], function="softmax"), "function"),
        ("rerank", classify_pb2.RerankInput(queries=["a"], documents=["a", "b"]), "queries"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(write: Write, task: str, message: Any, field: str) -> None:
    model = load(write())
    with pytest.raises(InvalidInputError) as error:
        run(model, task, message)
    assert error.value.field == field
    model.model.close()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"bert": {"query_expansion": {**_EXPANDED, "token": "no such token"}}}, "no such token"),
        ({"bert": {"query_expansion": {**_EXPANDED, "length": 5000}}}, "5,000 tokens"),
        ({"bert": {"query_expansion": {**_EXPANDED, "strategy": "other"}}}, "strategy"),
        ({"bert": {"query_length": 3}}, "query_length"),
        ({"bert": {"document_length": 5000}}, "5,000 tokens"),
        ({"model": {"truncate_dim": 4}}, "truncate_dim"),
        ({"model": {"similarity_fn_name": "euclidean"}}, "MaxSim"),
        ({"model": {"model_type": "SentenceTransformer"}}, "MultiVectorEncoder"),
        ({"mask": {"unknown": 1}}, "unknown"),
    ],
)
def test_files_that_ask_for_something_else_are_refused_by_the_key(
    write: Write, changes: dict[str, dict[str, Any]], why: str
) -> None:
    with pytest.raises(PreconditionError, match=why):
        load(write(**changes))


def test_max_sim_takes_the_best_product_of_each_vector() -> None:
    query, document = np.array([[1, 0], [0, 2]], np.float32), np.array([[3, 1], [1, 5]], np.float32)
    assert max_sim(query, document) == 3 + 10
    assert max_sim(query, document, mean=True) == 6.5
    assert max_sim(query, document[:0]) == 0
