"""TEI's two ways to score texts: by a query, and by the model's labels."""

from __future__ import annotations

from google.api.httpbody_pb2 import HttpBody

from panope_server.tasks.classify import ClassifyInput, ClassifyOutput
from panope_server.tasks.classify.json_form import labels_value
from panope_server.tasks.rerank import RerankInput, RerankOutput
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.rest.classification.inputs import read_predict_inputs
from panope_server.transport.rest.classification.schemas import PredictBody, RankBody, RankJson
from panope_server.transport.rest.embedding.run import answered
from panope_server.transport.rest.hugging_face.calls import model_of
from panope_server.transport.rest.hugging_face.truncation import truncation_of
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import json_response
from panope_server.transport.rest.json.unknown_fields import UnknownFields

_PREDICT = RequestBody(PredictBody)
_RANK = RequestBody(RankBody)
_PREDICT_NAMES = {"texts": "inputs", "second_texts": "inputs", "function": "raw_scores", "truncation": "truncate"}
_RANK_NAMES = {"documents": "texts", "function": "raw_scores", "truncation": "truncate"}


async def predict(
    pipeline: Pipeline, request: HttpBody, context: Context, interface: str, unknown: UnknownFields
) -> HttpBody:
    """The labels of a text, or of each of several."""
    body = await off_loop(len(request.data), _PREDICT.read, request, unknown)
    texts = await off_loop(len(request.data), read_predict_inputs, body.inputs)
    task_input = ClassifyInput(
        texts.first,
        texts.second,
        truncation=truncation_of(body.truncate, body.truncation_direction),
        function="none" if body.raw_scores else "",
    )
    call = call_for(context, model=model_of(body.model), task_input=task_input, task="classify", interface=interface)
    answer = await answered(pipeline, call, _PREDICT_NAMES, single=texts.single)
    assert isinstance(answer, ClassifyOutput)
    told = [labels_value(labels) for labels in answer.texts]
    unknown.tell(context)
    return json_response(told[0] if texts.single else told)


async def rank(
    pipeline: Pipeline, request: HttpBody, context: Context, interface: str, unknown: UnknownFields
) -> HttpBody:
    """Texts by their scores, the best first."""
    body = await off_loop(len(request.data), _RANK.read, request, unknown)
    task_input = RerankInput(
        body.query,
        body.texts,
        truncation=truncation_of(body.truncate, body.truncation_direction),
        # TEI's default, whatever the model's files say.
        function="none" if body.raw_scores else "sigmoid",
    )
    call = call_for(context, model=model_of(body.model), task_input=task_input, task="rerank", interface=interface)
    answer = await answered(pipeline, call, _RANK_NAMES, single=False)
    assert isinstance(answer, RerankOutput)
    told: list[RankJson] = [{"index": index, "score": score} for index, score in answer.ranked()]
    if body.return_text:
        for result in told:
            result["text"] = body.texts[result["index"]]
    unknown.tell(context)
    return json_response(told)
