"""vLLM's paths that classify and score, by the tasks `classify` and `rerank`."""

from __future__ import annotations

import time
import uuid

from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import InvalidInputError
from panope_server.observability.end_user import note_end_user
from panope_server.tasks.classify import ClassifyInput, ClassifyOutput
from panope_server.tasks.rerank import RerankInput, RerankOutput
from panope_server.transport.interceptors.context import Context, call_for
from panope_server.transport.interfaces import Pipeline
from panope_server.transport.rest.classification.schemas import RerankUsageJson
from panope_server.transport.rest.classification.vllm_schemas import (
    ClassifiedJson,
    ClassifiedTextJson,
    ClassifyInputBody,
    ScoreBody,
    ScoredJson,
    Texts,
)
from panope_server.transport.rest.embedding.run import answered
from panope_server.transport.rest.json.requests import RequestBody, off_loop
from panope_server.transport.rest.json.responses import json_response
from panope_server.transport.rest.json.unknown_fields import UnknownFields

_CLASSIFY = RequestBody(ClassifyInputBody)
_SCORE = RequestBody(ScoreBody)
_NAMES = {"function": "use_activation", "truncation": "truncate_prompt_tokens"}

#: What the two fields of a score may be called.
_PAIRS = (("text_1", "text_2"), ("data_1", "data_2"), ("queries", "documents"), ("queries", "items"))


async def classify(
    pipeline: Pipeline, request: HttpBody, context: Context, interface: str, unknown: UnknownFields
) -> HttpBody:
    """The scores of all labels of each text."""
    body = await off_loop(len(request.data), _CLASSIFY.read, request, unknown)
    note_end_user(body.user)
    task_input = ClassifyInput(
        _listed(body.input), truncation=_truncation(body), function="none" if body.use_activation is False else ""
    )
    call = call_for(context, model=body.model or "", task_input=task_input, task="classify", interface=interface)
    names = {**_NAMES, "texts": "input"}
    output = await answered(pipeline, call, names, single=isinstance(body.input, str))
    assert isinstance(output, ClassifyOutput)
    unknown.tell(context)
    told: ClassifiedJson = {
        "id": f"classify-{uuid.uuid4().hex}",
        "object": "list",
        "created": int(time.time()),
        "model": call.model,
        "data": [_classified(index, output) for index in range(len(output.texts))],
        "usage": _usage(output.token_counts),
    }
    return json_response(told)


async def score(
    pipeline: Pipeline, request: HttpBody, context: Context, interface: str, unknown: UnknownFields
) -> HttpBody:
    """The score of each pair of texts."""
    body = await off_loop(len(request.data), _SCORE.read, request, unknown)
    note_end_user(body.user)
    first, second = _names_of(body)
    given = getattr(body, second)
    task_input = _rerank_input(body, first, second)
    call = call_for(context, model=body.model or "", task_input=task_input, task="rerank", interface=interface)
    names = {**_NAMES, "query": first, "queries": first, "documents": second}
    output = await answered(pipeline, call, names, single=isinstance(given, str))
    assert isinstance(output, RerankOutput)
    unknown.tell(context)
    told: ScoredJson = {
        "id": f"score-{uuid.uuid4().hex}",
        "object": "list",
        "created": int(time.time()),
        "model": call.model,
        "data": [{"index": index, "object": "score", "score": each} for index, each in enumerate(output.scores)],
        "usage": _usage(output.token_counts),
    }
    return json_response(told)


def _names_of(body: ScoreBody) -> tuple[str, str]:
    """What the body calls its two fields of texts.

    Raises:
        InvalidInputError: one of them is missing, or there are others too.
    """
    given = tuple(dict.fromkeys(name for pair in _PAIRS for name in pair if getattr(body, name) is not None))
    for first, second in _PAIRS:
        if given == (first, second):
            return first, second
    if len(given) > 1:
        raise InvalidInputError(f"{', '.join(f'`{name}`' for name in given)} do not go together", field=given[-1])
    pair = next(pair for pair in _PAIRS if not given or given[0] in pair)
    missing = next(name for name in pair if name not in given)
    raise InvalidInputError(f"`{missing}` is missing: `{pair[0]}` and `{pair[1]}` go together", field=missing)


def _rerank_input(body: ScoreBody, first: str, second: str) -> RerankInput:
    queries, documents = _listed(getattr(body, first)), _listed(getattr(body, second))
    one = len(queries) == 1
    if not one and len(queries) != len(documents):
        raise InvalidInputError(
            f"`{first}` has {len(queries):,} texts and `{second}` {len(documents):,}; they must be as many, or "
            f"`{first}` one",
            field=second,
        )
    return RerankInput(
        queries[0] if one else "",
        documents,
        truncation=_truncation(body),
        function="none" if body.use_activation is False else "",
        queries=[] if one else queries,
    )


def _listed(texts: Texts) -> list[str]:
    return [texts] if isinstance(texts, str) else texts


def _truncation(body: ClassifyInputBody | ScoreBody) -> str:
    return "refuse" if body.truncate_prompt_tokens is None else "end"


def _classified(index: int, output: ClassifyOutput) -> ClassifiedTextJson:
    labels = output.texts[index]
    by_id = sorted(zip(output.label_ids[index], labels, strict=True))
    return {
        "index": index,
        "label": labels[0].label,
        "probs": [each.score for _, each in by_id],
        "num_classes": len(labels),
    }


def _usage(token_counts: list[int]) -> RerankUsageJson:
    tokens = sum(token_counts)
    return {"prompt_tokens": tokens, "total_tokens": tokens}
