"""Questions about tables by REST and gRPC: the body of huggingface_hub, and what is refused."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from huggingface_hub import InferenceClient
from rest_doubles.models import TABLE_READER

from panope.v1 import embed_service_pb2 as embed_pb
from panope.v1 import text_service_pb2 as pb
from panope.v1 import text_service_pb2_grpc as pb_grpc
from panope_backends.errors import InvalidInputError

TABLE = {"name": ["Ada", "Bob"], "age": ["36", 41], "height": [1.5, 1.75]}
ANSWER = {"answer": "SUM > Ada", "coordinates": [[0, 0]], "cells": ["Ada"], "aggregator": "SUM"}
PATHS = [
    *("/v1/table-question-answering", f"/v1/table-question-answering/{TABLE_READER}", f"/models/{TABLE_READER}"),
    *("/", f"/models/{TABLE_READER}/pipeline/table-question-answering"),
]


@pytest.mark.parametrize("path", PATHS)
def test_tables_of_columns_are_read_row_by_row_and_numbers_as_texts(edge: Any, path: str) -> None:
    assert edge.post(path, {"inputs": {"query": "how old?", "table": TABLE}}).json == ANSWER
    asked = edge.instances.calls[-1].input
    assert asked.columns == ["name", "age", "height"]
    assert asked.rows == [["Ada", "36", "1.5"], ["Bob", "41", "1.75"]]
    assert (asked.questions, asked.sequential, asked.truncation) == (["how old?"], False, "end")


def test_several_questions_have_a_list_of_answers(edge: Any) -> None:
    parameters = {"sequential": True, "truncation": "do_not_truncate", "padding": "longest"}
    body = {"inputs": {"query": ["a", "b"], "table": TABLE}, "parameters": parameters}
    assert edge.post("/v1/table-question-answering", body).json == [ANSWER, ANSWER]
    asked = edge.instances.calls[-1].input
    assert (asked.questions, asked.sequential, asked.truncation) == (["a", "b"], True, "refuse")


def test_hugging_faces_client_asks(edge: Any) -> None:
    client = InferenceClient(base_url=f"{edge.url}/models/{TABLE_READER}")
    texts = {"name": ["Ada", "Bob"], "age": ["36", "41"]}
    told = client.table_question_answering(texts, "how old?", padding="longest", sequential=True, truncation=False)
    assert (told.answer, told.coordinates, told.cells, told.aggregator) == tuple(ANSWER.values())
    assert edge.instances.calls[-1].input.truncation == "refuse"


COLUMN = [""] * 4097


@pytest.mark.parametrize(
    ("inputs", "parameters", "param", "words"),
    [
        ({"query": "", "table": TABLE}, {}, "inputs.query", "length"),
        ({"query": [], "table": TABLE}, {}, "inputs.query", "length"),
        ({"query": ["a"] * 33, "table": TABLE}, {}, "inputs.query", "33 items; the limit is 32"),
        ({"query": ["a", ""], "table": TABLE}, {}, "inputs.query[1]", "length"),
        ({"query": "a" * 4097, "table": TABLE}, {}, "inputs.query", "4,097 characters; the limit is 4,096"),
        ({"query": "a"}, {}, "inputs.table", "missing"),
        ({"query": "a", "table": {}}, {}, "inputs.table", "length"),
        ({"query": "a", "table": {"b": []}}, {}, "inputs.table", "has no rows"),
        ({"query": "a", "table": {"b": ["c"], "d": []}}, {}, "inputs.table", "columns of 0 to 1 cells"),
        ({"query": "a", "table": [["b"]]}, {}, "inputs.table", "object"),
        ({"query": "a", "table": {"b": ["c", None]}}, {}, "inputs.table[...][1]", "null"),
        ({"query": "a", "table": {"b": [True]}}, {}, "inputs.table[...][0]", "bool"),
        ({"query": "a", "table": {"b": [["c"]]}}, {}, "inputs.table[...][0]", "got a list"),
        ({"query": "a", "table": {"b": COLUMN}}, {}, "inputs.table", "4,097 cells; the limit is 4,096"),
        ({"query": "a", "table": {"b": [""] * 200_000}}, {}, "inputs.table", "200,000 cells"),
        ({"query": "a", "table": {str(at): ["c"] for at in range(5000)}}, {}, "inputs.table", "5,000 cells"),
        ({"query": "a", "table": {"b": ["c" * 513]}}, {}, "inputs.table", "513 characters; the limit is 512"),
        ({"query": "a", "table": {"b" * 513: ["c"]}}, {}, "inputs.table", "513 characters; the limit is 512"),
        ({"query": "a", "table": {"b": ["c" * 500] * 200}}, {}, "inputs.table", "100,001 characters"),
        ({"query": "a", "table": TABLE}, {"truncation": "longest_first"}, "parameters.truncation", "truncation"),
        ({"query": "a", "table": TABLE}, {"top_k": 2}, "parameters.top_k", "top_k"),
    ],
)
def test_what_is_wrong_is_named_with_its_limit(
    edge: Any, inputs: dict[str, Any], parameters: dict[str, Any], param: str, words: str
) -> None:
    reply = edge.post("/v1/table-question-answering", {"inputs": inputs, "parameters": parameters})
    assert (reply.status, reply.error["param"]) == (400, param)
    assert words in reply.error["message"]
    assert not edge.instances.calls


def test_a_models_refusal_is_named_as_the_body_has_it(edge: Any) -> None:
    edge.instances.failure = InvalidInputError.at("questions[0]", "{field} does not fit")
    reply = edge.post("/v1/table-question-answering", {"inputs": {"query": "a", "table": TABLE}})
    assert (reply.status, reply.error["param"]) == (400, "inputs.query")
    reply = edge.post("/v1/table-question-answering", {"inputs": {"query": ["a"], "table": TABLE}})
    assert reply.error["param"] == "inputs.query[0]"


def test_tables_are_asked_by_grpc_and_as_values(edge: Any) -> None:
    table = pb.Table(columns=["name"], rows=[pb.TableRow(cells=["Ada"])])
    request = pb.AnswerTableQuestionRequest(
        model=TABLE_READER, table=table, questions=["a"], truncation=embed_pb.TRUNCATION_END
    )
    with grpc.insecure_channel(f"127.0.0.1:{edge.grpc_port}") as channel:
        stub = pb_grpc.TextServiceStub(channel)
        told = stub.AnswerTableQuestion(request)
        for change, words in (
            ({"truncation": embed_pb.TRUNCATION_START}, "`truncation` must be one of refuse, end"),
            (
                {"table": pb.Table(columns=["a", "b"], rows=table.rows)},
                "`table` has 2 columns, and 1 cells in the row at 0",
            ),
            ({"table": pb.Table(rows=table.rows)}, "`table` has no columns"),
        ):
            wrong = pb.AnswerTableQuestionRequest()
            wrong.CopyFrom(request)
            for name in change:
                wrong.ClearField(name)
            wrong.MergeFrom(pb.AnswerTableQuestionRequest(**change))
            with pytest.raises(grpc.RpcError) as refused:
                stub.AnswerTableQuestion(wrong)
            assert words in refused.value.details()
    assert told.answers[0] == pb.TableAnswer(
        answer="SUM > Ada", cells=[pb.TableCell(row=0, column=0, text="Ada")], aggregator="SUM", row_count=1
    )
    value = {"columns": ["name"], "rows": [["Ada"]], "questions": ["a"]}
    reply = edge.post(f"/v1/infer/{TABLE_READER}", {"value": value})
    assert reply.json["value"] == [ANSWER]
    reply = edge.post(f"/v1/infer/{TABLE_READER}", {"value": value | {"rows": [["Ada", "Bob"]]}})
    assert (reply.status, reply.error["param"]) == (400, "value.rows")
