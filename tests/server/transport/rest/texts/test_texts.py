"""Questions and masks by REST and gRPC: the bodies of huggingface_hub, and what is refused."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from huggingface_hub import InferenceClient
from rest_doubles.models import FILLER, READER

from panope.v1 import embed_service_pb2 as embed_pb
from panope.v1 import text_service_pb2 as pb
from panope.v1 import text_service_pb2_grpc as pb_grpc
from panope_backends.errors import InvalidInputError

QUESTION = {"question": "who?", "context": "Ada was here"}
ANSWERS = [{"answer": "A", "score": 0.5, "start": 0, "end": 1}, {"answer": "Ad", "score": 0.25, "start": 0, "end": 2}]
FILLINGS = [{"score": 0.5, "token": at, "token_str": "ab"[at], "sequence": "a text"} for at in range(2)]
ANSWER_PATHS = [
    *("/", "/v1/answer", f"/v1/answer/{READER}", f"/models/{READER}"),
    f"/pipeline/question-answering/{READER}",
]
FILL_PATHS = ["/v1/fill-mask", f"/v1/fill-mask/{FILLER}", f"/models/{FILLER}", f"/models/{FILLER}/pipeline/fill-mask"]


@pytest.mark.parametrize("path", ANSWER_PATHS)
def test_questions_are_answered_one_and_several(edge: Any, path: str) -> None:
    assert edge.post(path, {"inputs": QUESTION}).json == ANSWERS[0]
    assert edge.post(path, {"inputs": QUESTION, "parameters": {"top_k": 2, "doc_stride": 0}}).json == ANSWERS
    last = edge.instances.calls[-1].input
    assert (last.questions, last.contexts, last.doc_stride, last.max_answer_len) == (["who?"], ["Ada was here"], 0, 15)


def test_a_list_of_questions_has_a_list_of_answers(edge: Any) -> None:
    assert edge.post("/v1/answer", {"inputs": [QUESTION, QUESTION]}).json == [ANSWERS[0]] * 2
    body = {"inputs": [QUESTION], "parameters": {"top_k": 2, "handle_impossible_answer": True}}
    assert edge.post("/v1/answer", body).json == [ANSWERS]
    assert edge.instances.calls[-1].input.handle_impossible_answer


@pytest.mark.parametrize("path", FILL_PATHS)
def test_masks_are_filled_one_and_several(edge: Any, path: str) -> None:
    options = {"parameters": {"top_k": 2, "targets": ["a", "b"], "truncate": True}}
    assert edge.post(path, {"inputs": "[MASK]", **options}).json == FILLINGS
    assert edge.post(path, {"inputs": "[MASK] [MASK]", **options}).json == [FILLINGS] * 2
    assert edge.post(path, {"inputs": ["[MASK]"], **options}).json == [FILLINGS]
    last = edge.instances.calls[-1].input
    assert (last.targets, last.top_k, last.truncation) == (["a", "b"], 2, "end")


def test_hugging_faces_client_asks_and_fills(edge: Any) -> None:
    client = InferenceClient(base_url=f"{edge.url}/models/{READER}")
    assert client.question_answering("who?", "Ada was here").answer == "A"
    assert [one.answer for one in client.question_answering("who?", "Ada was here", top_k=2)] == ["A", "Ad"]
    filled = InferenceClient(base_url=f"{edge.url}/models/{FILLER}").fill_mask("[MASK]", top_k=2, targets=["a"])
    assert [(one.token, one.token_str, one.sequence) for one in filled] == [(0, "a", "a text"), (1, "b", "a text")]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/answer", {"inputs": {"question": "", "context": "b"}}, "inputs.question"),
        ("/v1/answer", {"inputs": {"question": "a"}}, "inputs.context"),
        ("/v1/answer", {"inputs": QUESTION, "parameters": {"top_k": 101}}, "parameters.top_k"),
        ("/v1/answer", {"inputs": QUESTION, "parameters": {"doc_stride": -1}}, "parameters.doc_stride"),
        ("/v1/fill-mask", {"inputs": ""}, "inputs"),
        ("/v1/fill-mask", {"inputs": "a", "parameters": {"targets": []}}, "parameters.targets"),
        ("/v1/fill-mask", {"inputs": "a", "parameters": {"targets": "x" * 300}}, "parameters.targets[0]"),
        ("/v1/fill-mask", {"inputs": "a", "parameters": {"top_k": 0}}, "parameters.top_k"),
    ],
)
def test_what_is_wrong_is_named_as_the_body_has_it(edge: Any, path: str, body: dict[str, Any], param: str) -> None:
    reply = edge.post(path, body)
    assert (reply.status, reply.error["param"]) == (400, param)
    assert param in reply.error["message"]


def test_a_models_refusal_is_named_as_the_body_has_it(edge: Any) -> None:
    edge.instances.failure = InvalidInputError.at("texts[0]", "{field} has no mask")
    reply = edge.post("/v1/fill-mask", {"inputs": "a"})
    assert (reply.status, reply.error["message"], reply.error["param"]) == (400, "`inputs` has no mask", "inputs")
    edge.instances.failure = InvalidInputError.at("contexts[0]", "{field} is too long")
    reply = edge.post("/v1/answer", {"inputs": QUESTION})
    assert (reply.error["message"], reply.error["param"]) == ("`inputs.context` is too long", "inputs.context")
    reply = edge.post("/v1/answer", {"inputs": [QUESTION]})
    assert reply.error["param"] == "inputs[0].context"


def test_grpc_answers_and_fills(edge: Any) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{edge.grpc_port}") as channel:
        stub = pb_grpc.TextServiceStub(channel)
        request = pb.AnswerQuestionRequest(
            model=READER,
            questions=["who? " * 300],
            contexts=["Ada was here. " * 300],
            top_k=2,
            doc_stride=0,
            align_to_words=False,
        )
        answer = stub.AnswerQuestion(request)
        assert [one.answer for one in answer.questions[0].answers] == ["A", "Ad"]
        asked = edge.instances.calls[-1].input
        assert (asked.doc_stride, asked.align_to_words, asked.max_seq_len) == (0, False, None)
        filled = stub.FillMask(
            pb.FillMaskRequest(model=FILLER, texts=["[MASK]"], top_k=1, truncation=embed_pb.TRUNCATION_END)
        )
        assert filled.texts[0].masks[0].fillings[0] == pb.MaskFilling(
            token_id=0, token="a", score=0.5, sequence="a text"
        )
        for wrong, field in (
            (pb.AnswerQuestionRequest(model=READER, questions=["q"]), "contexts"),
            (pb.AnswerQuestionRequest(model=READER, questions=["q"], contexts=["c"], top_k=0), "top_k"),
            (pb.AnswerQuestionRequest(model=FILLER, questions=["q"], contexts=["c"]), "model"),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                stub.AnswerQuestion(wrong)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert f"`{field}`" in caught.value.details() or field == "model"
