"""Tiny models with labels in real workers behind a real Envoy: every way in gives one answer, that of the libraries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import InferenceClient

from command_line import panope
from panope_backends.testing.models import tiny_classifier
from panope_client import Client, InvalidInputError
from panope_registry.session import RegistrySession

# Three workers with PyTorch, and the libraries that they are compared with.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NLI, RERANKER, TAGGER = "acme/nli", "acme/reranker", "acme/tagger"
LABELS = {
    NLI: ("classify", ("contradiction", "entailment", "neutral")),
    RERANKER: ("rerank", ("LABEL_0",)),
    TAGGER: ("token-classify", ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")),
}
TEXT = "the quick fox runs over the river bank"
DOCUMENTS = ["the dog sleeps in the house", "the brown fox", "Ada Lovelace lives in London"]
NAMES = "Ada Lovelace lives in London, who loves the river"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for name, (task, labels) in LABELS.items():
        made[name] = tmp_path_factory.mktemp(task)
        tiny_classifier(made[name], task, labels)
    return made


@pytest.fixture(scope="module")
def labelled(make_servers: Any, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server with three models, which PyTorch runs: conversions are the zoo's to test."""
    folder = tmp_path_factory.mktemp("labelled")
    home = folder / "home"
    session = RegistrySession.open(home / "registry.sqlite3", home)
    for name, path in folders.items():
        session.registry.import_folder(path, name)
    session.close()
    servers = make_servers(folder, folder)
    try:
        server = servers.start(home=home, demo=False)
        with Client(server.grpc_address, timeout=240) as made:
            for name in folders:
                made.load(name, backend="cpu", precision="fp32")
        yield server
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def client(labelled: Any) -> Iterator[Client]:
    with Client(labelled.grpc_address) as made:
        yield made


def pipeline_of(folder: Path, task: str) -> Any:
    import transformers

    return transformers.pipeline(task, model=str(folder), device="cpu")


def test_texts_are_classified_as_by_transformers(labelled: Any, client: Client, folders: dict[str, Path]) -> None:
    expected = pipeline_of(folders[NLI], "text-classification")(TEXT, top_k=None)
    wanted = {one["label"]: pytest.approx(one["score"], abs=1e-5) for one in expected}
    (found,) = client.classify([TEXT], NLI).classifications
    assert {one.label: one.score for one in found.labels} == wanted
    over_http = InferenceClient(base_url=f"{labelled.http_url}/models/{NLI}").text_classification(TEXT)
    assert {one.label: one.score for one in over_http} == wanted
    (value,) = client.infer_value(TEXT, NLI)
    assert {one["label"]: one["score"] for one in value} == wanted


def test_labels_of_the_callers_own_are_scored_as_by_transformers(
    labelled: Any, client: Client, folders: dict[str, Path]
) -> None:
    labels = ["river", "dog", "London"]
    expected = pipeline_of(folders[NLI], "zero-shot-classification")(TEXT, labels)
    wanted = [
        (label, pytest.approx(score, abs=1e-5))
        for label, score in zip(expected["labels"], expected["scores"], strict=True)
    ]
    (found,) = client.classify_zero_shot([TEXT], labels, NLI).classifications
    assert [(one.label, one.score) for one in found.labels] == wanted
    over_http = InferenceClient(base_url=f"{labelled.http_url}/v1/classify/{NLI}").zero_shot_classification(
        TEXT, labels
    )
    assert [(one.label, one.score) for one in over_http] == wanted


def test_entities_are_found_as_by_transformers(labelled: Any, client: Client, folders: dict[str, Path]) -> None:
    expected = pipeline_of(folders[TAGGER], "token-classification")(NAMES, aggregation_strategy="simple")
    wanted = [(one["entity_group"], one["start"], one["end"]) for one in expected]
    (found,) = client.classify_tokens([NAMES], TAGGER).texts
    assert [(one.label, one.start, one.end) for one in found.entities] == wanted
    over_http = InferenceClient(base_url=f"{labelled.http_url}/models/{TAGGER}").token_classification(
        NAMES, aggregation_strategy="simple"
    )
    assert [(one.entity_group, one.start, one.end) for one in over_http] == wanted


def test_documents_are_ordered_as_by_sentence_transformers(
    labelled: Any, client: Client, folders: dict[str, Path]
) -> None:
    from sentence_transformers import CrossEncoder

    query = "who is in the house"
    expected = CrossEncoder(str(folders[RERANKER]), device="cpu").rank(query, DOCUMENTS)
    wanted = [(one["corpus_id"], pytest.approx(float(one["score"]), abs=1e-5)) for one in expected]
    answer = client.rerank(query, DOCUMENTS, RERANKER)
    assert [(one.index, one.score) for one in answer.results] == wanted
    body = {"query": query, "documents": DOCUMENTS, "return_documents": True}
    told = labelled.post("/v1/rerank", body).json
    assert [(one["index"], one["relevance_score"]) for one in told["results"]] == wanted
    assert [one["document"]["text"] for one in told["results"]] == [DOCUMENTS[index] for index, _ in wanted]
    tei = labelled.post("/rerank", {"query": query, "texts": DOCUMENTS}).json
    assert [(one["index"], one["score"]) for one in tei] == wanted


def test_pairs_are_scored_and_texts_classified_as_vllm_does(
    labelled: Any, client: Client, folders: dict[str, Path]
) -> None:
    from sentence_transformers import CrossEncoder

    pairs = [("who is in the house", DOCUMENTS[0]), ("the fox", DOCUMENTS[1])]
    expected = CrossEncoder(str(folders[RERANKER]), device="cpu").predict(pairs)
    body = {"text_1": [query for query, _ in pairs], "text_2": [text for _, text in pairs]}
    told = labelled.post("/score", {**body, "model": RERANKER}).json
    assert [one["score"] for one in told["data"]] == pytest.approx([float(score) for score in expected], abs=1e-5)
    wanted = {one["label"]: one["score"] for one in pipeline_of(folders[NLI], "text-classification")(TEXT, top_k=None)}
    (found,) = labelled.post("/classify", {"input": TEXT, "model": NLI}).json["data"]
    assert found["probs"] == pytest.approx([wanted[label] for label in LABELS[NLI][1]], abs=1e-5)
    assert found["label"] == max(wanted, key=lambda label: wanted[label])


def test_their_tokens_are_told(labelled: Any, client: Client) -> None:
    for model in LABELS:
        (found,) = client.tokenize([TEXT], model)
        told = labelled.post("/v1/tokenize", {"prompt": TEXT, "model": model}).json
        assert told == {"count": len(found.ids), "max_model_len": 64, "tokens": list(found.ids)}
        assert client.detokenize([found.ids], model) == [TEXT]


def test_many_documents_run_in_parts_and_keep_their_places(client: Client) -> None:
    documents = [f"{DOCUMENTS[number % 3]} {'fox ' * (number % 7)}" for number in range(100)]
    together = client.rerank("fox", documents, RERANKER)
    scores = {one.index: one.score for one in together.results}
    alone = {index: client.rerank("fox", [documents[index]], RERANKER).results[0].score for index in (0, 31, 32, 99)}
    assert {index: scores[index] for index in alone} == pytest.approx(alone, abs=1e-5)
    assert [one.score for one in together.results] == sorted(scores.values(), reverse=True)


def test_a_terminal_prints_them(labelled: Any) -> None:
    address = ("--address", labelled.grpc_address)
    (told,) = panope("classify", NLI, TEXT, "--json", *address).json
    assert {one["label"] for one in told["labels"]} == set(LABELS[NLI][1])
    assert "river" in panope("classify", NLI, TEXT, "--label", "river", "--label", "dog", *address).out
    assert repr(NAMES) in panope("classify", TAGGER, NAMES, *address).out
    assert len(panope("rerank", RERANKER, "fox", *DOCUMENTS, "--top-n", "2", "--json", *address).json) == 2


def test_what_a_model_cannot_do_says_which(labelled: Any, client: Client) -> None:
    with pytest.raises(InvalidInputError, match="does not serve `rerank`: its task is `classify`"):
        client.rerank("q", ["a"], NLI)
    with pytest.raises(InvalidInputError, match="does not serve `classify`: its task is `rerank`"):
        client.classify(["a"], RERANKER)
    with pytest.raises(InvalidInputError, match=r"`texts\[1\]` has \d+ tokens; the model takes at most 64"):
        client.classify(["a", "fox " * 100], NLI)
    with pytest.raises(InvalidInputError, match=r"`documents\[1\]` has \d+ tokens with the text beside it"):
        client.rerank("fox", ["a", "fox " * 100], RERANKER)
    with pytest.raises(InvalidInputError, match=r"`stride` must be less than the 62 tokens"):
        client.classify_tokens([NAMES], TAGGER, stride=62)
    answer = client.rerank("fox", ["a", "fox " * 100], RERANKER, truncation="end")
    assert (list(answer.truncated_indices), answer.token_counts[1]) == ([1], 64)
    reply = labelled.post("/v1/rerank", {"query": "q", "documents": ["fox " * 100], "model": RERANKER})
    assert (reply.status, reply.error["param"]) == (400, "documents[0]")
    large = labelled.post("/v1/classify", {"inputs": "fox " * 2_500_000, "model": NLI})
    assert large.status == 413 or "characters" in large.error["message"] or "bytes" in large.error["message"]


def test_a_reranker_of_another_panope_answers_through_this_one(
    make_servers: Any, labelled: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("front")
    (folder / "panope.toml").write_text('[remote]\nallowed_hosts = ["127.0.0.1"]\nprivate_addresses = true\n')
    servers = make_servers(folder, folder)
    try:
        front = servers.start("--config", str(folder / "panope.toml"), home=folder / "home", demo=False)
        upstream = {"url": labelled.http_url, "protocol": "tei"}
        body = {"model_vendor": "acme", "model_name": "far", "task_hints": ["rerank"], "upstream": upstream}
        job = front.post("/v1/models/register", body).json["job"]["id"]
        front.wait(lambda: front.get(f"/v1/jobs/{job}").json["status"] == "succeeded", 30, "the registration")
        with Client(labelled.grpc_address) as there, Client(front.grpc_address, timeout=60) as here:
            wanted = there.rerank("the fox", DOCUMENTS, RERANKER)
            found = here.rerank("the fox", DOCUMENTS, "acme/far")
            assert [each.index for each in found.results] == [each.index for each in wanted.results]
            scores = [each.score for each in wanted.results]
            assert [each.score for each in found.results] == pytest.approx(scores, abs=1e-5)
            with pytest.raises(InvalidInputError) as refusal:
                here.rerank("fox " * 9000, DOCUMENTS, "acme/far")
            assert refusal.value.reason == "context_length_exceeded"
    finally:
        servers.stop()
