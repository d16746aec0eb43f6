"""Tiny models that answer questions and fill masks, in real workers behind a real Envoy: every way in, one answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

import command_line
from panope_backends.testing.models import tiny_classifier
from panope_backends.testing.tables import tiny_table_reader
from panope_client import Client, InvalidInputError
from panope_registry.session import RegistrySession

# Three workers with PyTorch, and transformers to compare with.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

READER, FILLER, TABLES = "acme/reader", "acme/filler", "acme/tapas"
TASKS = {READER: "question-answer", FILLER: "fill-mask"}
QUESTION = "who lives in London"
CONTEXT = "the brown fox sleeps. Ada Lovelace lives in London, over the river bank"
LONG = " ".join([CONTEXT] * 12)
ASKED = "who was born in june 1906?"
TABLE = {"name": ["ada", "grace", "alan"], "born": ["1815", "june 1906", "1912"], "letters": ["3", "5", "4"]}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for name, task in TASKS.items():
        made[name] = tmp_path_factory.mktemp(task)
        tiny_classifier(made[name], task, ("LABEL_0", "LABEL_1"))
    made[TABLES] = tmp_path_factory.mktemp("tables")
    tiny_table_reader(made[TABLES])
    return made


@pytest.fixture(scope="module")
def reading(make_servers: Any, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server with three models, whose tasks their classes told; PyTorch runs them."""
    folder = tmp_path_factory.mktemp("reading")
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
def client(reading: Any) -> Iterator[Client]:
    with Client(reading.grpc_address) as made:
        yield made


def panope(server: Any, *arguments: str, text: str = "") -> str:
    return command_line.panope(*arguments, "--address", server.grpc_address, given=text).out


def test_every_way_in_gives_one_answer(reading: Any, client: Client) -> None:
    ((found,),) = [each.answers for each in client.answer_question([QUESTION], [LONG], READER).questions]
    assert found.answer == LONG[found.start : found.end] != ""
    wanted = (found.answer, pytest.approx(found.score, rel=1e-5), found.start, found.end)
    for url in (f"/models/{READER}", f"/v1/answer/{READER}", f"/models/{READER}/pipeline/question-answering", "/"):
        told = InferenceClient(base_url=reading.http_url + url).question_answering(QUESTION, LONG)
        assert (told.answer, told.score, told.start, told.end) == wanted
    ((value,),) = client.infer_value({"questions": [QUESTION], "contexts": [LONG]}, READER)
    assert (value["answer"], value["score"], value["start"], value["end"]) == wanted
    (printed,) = json.loads(panope(reading, "ask", READER, QUESTION, "--context", "-", "--json", text=LONG))
    assert (printed["answer"], printed["score"], printed["start"], printed["end"]) == wanted
    assert found.answer in panope(reading, "ask", READER, QUESTION, "--context", "-", "--top-k", "3", text=LONG)


def test_many_questions_keep_their_places_and_are_answered_alike_alone(client: Client) -> None:
    contexts = [" ".join([CONTEXT] * (1 + number % 5)) for number in range(70)]
    together = client.answer_question([QUESTION] * 70, contexts, READER, top_k=2, handle_impossible_answer=True)
    for index in (0, 31, 33, 69):
        alone = client.answer_question([QUESTION], [contexts[index]], READER, top_k=2, handle_impossible_answer=True)
        assert [(one.answer, one.start) for one in together.questions[index].answers] == [
            (one.answer, one.start) for one in alone.questions[0].answers
        ]
        assert together.token_counts[index] == alone.token_counts[0]


def test_masks_are_filled_as_by_transformers(reading: Any, client: Client, folders: dict[str, Path]) -> None:
    import transformers

    text = "the quick [MASK] lives in London"
    pipeline = transformers.pipeline("fill-mask", model=str(folders[FILLER]), device="cpu")
    expected = {one["token"]: (one["token_str"], one["sequence"]) for one in pipeline(text, top_k=3)}
    wanted = {one["token"]: pytest.approx(one["score"], abs=1e-5) for one in pipeline(text, top_k=3)}
    for url in (f"/models/{FILLER}", f"/v1/fill-mask/{FILLER}", f"/pipeline/fill-mask/{FILLER}"):
        told = InferenceClient(base_url=reading.http_url + url).fill_mask(text, top_k=3)
        assert {one.token: (one.token_str, one.sequence) for one in told} == expected
        assert {one.token: one.score for one in told} == wanted
    (masks,) = [each.masks for each in client.fill_mask([text], FILLER, top_k=3).texts]
    assert {one.token_id: one.score for one in masks[0].fillings} == wanted
    ((fillings,),) = client.infer_value({"texts": [text], "top_k": 3}, FILLER)
    assert {one["token"]: one["score"] for one in fillings} == wanted
    only = client.fill_mask(["[MASK] [MASK]"], FILLER, targets=["fox", "dog"]).texts[0].masks
    assert [{one.token for one in mask.fillings} for mask in only] == [{"fox", "dog"}] * 2
    assert "sequence" in panope(reading, "fill-mask", FILLER, text, "--json")
    assert "'fox'" in panope(reading, "fill-mask", FILLER, text, "--target", "fox")


def test_tables_are_read_as_by_transformers(
    reading: Any, client: Client, folders: dict[str, Path], tmp_path: Path
) -> None:
    import transformers

    library = transformers.pipeline(
        "table-question-answering",
        model=transformers.AutoModelForTableQuestionAnswering.from_pretrained(folders[TABLES]),
        tokenizer=transformers.TapasTokenizer.from_pretrained(folders[TABLES]),
    )
    found = library(table=TABLE, query=ASKED)
    wanted = found | {"coordinates": [list(place) for place in found["coordinates"]]}
    assert wanted["cells"]
    for url in (
        *(f"/models/{TABLES}", f"/v1/table-question-answering/{TABLES}", "/v1/table-question-answering", "/"),
        f"/pipeline/table-question-answering/{TABLES}",
    ):
        told = InferenceClient(base_url=reading.http_url + url).table_question_answering(TABLE, ASKED)
        assert (told.answer, told.coordinates, told.cells, told.aggregator) == tuple(wanted.values())
    (answer,) = client.answer_table_question(TABLE, [ASKED], TABLES).answers
    assert (answer.answer, answer.aggregator, answer.row_count) == (wanted["answer"], wanted["aggregator"], 3)
    rows = [list(cells) for cells in zip(*TABLE.values(), strict=True)]
    value = {"columns": list(TABLE), "rows": rows, "questions": [ASKED]}
    assert client.infer_value(value, TABLES) == [wanted]
    file = tmp_path / "table.csv"
    file.write_text("\n".join(",".join(cells) for cells in [list(TABLE), *rows]))
    printed = json.loads(panope(reading, "ask", TABLES, ASKED, "--table", str(file), "--json"))
    assert printed == {**wanted, "rows_read": 3}
    assert panope(reading, "ask", TABLES, ASKED, "--table", str(file)).strip() == wanted["answer"]
    assert reading.get(f"/v1/models/{TABLES}").json["id"] == TABLES
    assert client.model(TABLES).task == "table-question-answer"


def test_their_mask_and_their_tokens_are_told(reading: Any, client: Client) -> None:
    told = reading.get(f"/v1/models/{FILLER}/info").json["text"]
    assert told == {"max_tokens": 64, "mask_token": "[MASK]", "batching": "any"}
    assert client.model(READER).text.max_tokens == 64
    assert client.detokenize([list(client.tokenize(["the fox"], READER)[0].ids)], READER) == ["the fox"]


@pytest.mark.parametrize(
    ("call", "arguments", "options", "words"),
    [
        ("answer_question", (["who " * 70], [CONTEXT], READER), {}, r"`questions\[0\]` has 70 tokens and leaves no"),
        ("answer_question", (["who"], ["fox " * 9000], READER), {}, r"`contexts\[0\]` has [\d,]+ windows; the limit"),
        ("answer_question", (["who"], ["fox " * 80_000], READER), {}, r"`contexts\[0\]` has 320,000 characters"),
        ("answer_question", (["who"], ["  \n "], READER), {}, r"`contexts\[0\]` is empty"),
        ("answer_question", (["who"], [LONG], READER), {"doc_stride": 60}, "`doc_stride` is 60; it must be less than"),
        ("answer_question", (["who"], [LONG], READER), {"max_seq_len": 65}, "`max_seq_len` is 65; the model takes"),
        ("answer_question", (["who"], [CONTEXT], FILLER), {}, "its task is `fill-mask`"),
        (
            "answer_table_question",
            (TABLE, ["how old " * 300], TABLES),
            {},
            r"`questions\[0\]` and the whole table do not",
        ),
        ("answer_table_question", (TABLE, [QUESTION], READER), {}, "its task is `question-answer`"),
        ("fill_mask", (["a fox"], FILLER), {}, r"`texts\[0\]` has no `\[MASK\]`"),
        ("fill_mask", (["[MASK] " * 33], FILLER), {}, r"`texts\[0\]` has 33 masks; the limit is 32"),
        ("fill_mask", (["a", "[MASK] " * 1000], FILLER), {"truncation": "end"}, r"`texts\[0\]` has no"),
        ("fill_mask", (["[MASK] " * 30], FILLER), {"top_k": 100}, "`top_k` may be at most 17 for the 30 masks"),
        ("fill_mask", (["[MASK]"], FILLER), {"targets": ["fox", "zebra"]}, r"`targets\[1\]` is not one token"),
        ("fill_mask", (["[MASK]"], FILLER), {"targets": ["the fox"]}, r"`targets\[0\]` is not one token"),
        ("fill_mask", (["[MASK] " * 70], FILLER), {}, r"`texts\[0\]` has 72 tokens; the model takes at most 64"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name_and_soon(
    client: Client, call: str, arguments: tuple[Any, ...], options: dict[str, Any], words: str
) -> None:
    started = time.perf_counter()
    with pytest.raises(InvalidInputError, match=words):
        getattr(client, call)(*arguments, **options)
    assert time.perf_counter() - started < 5


def test_bodies_that_no_model_reads_are_refused_by_the_edge_and_the_schema(reading: Any) -> None:
    huge = reading.post("/v1/answer", {"inputs": {"question": "who", "context": "fox " * 2_500_000}, "model": READER})
    assert huge.status == 413 or "limit" in huge.error["message"]
    lone = reading.post("/v1/answer", {"model": READER, "inputs": {"question": "\ud800", "context": "fox"}})
    assert (lone.status, lone.error["type"]) == (400, "invalid_request_error")
    with pytest.raises(HfHubHTTPError, match="has no"):
        InferenceClient(base_url=f"{reading.http_url}/models/{FILLER}").fill_mask("a fox")
    with pytest.raises(HfHubHTTPError, match="question"):
        InferenceClient(base_url=f"{reading.http_url}/models/{READER}").question_answering("", "a fox")
