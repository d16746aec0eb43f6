"""What clients write beside the texts: honoured where it has a meaning, else refused by its name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.api.httpbody_pb2 import HttpBody
from rest_doubles.instances import FakeInstances
from rest_doubles.models import FakeModels, model_views

from panope.rest.v1.path_pb2 import ModelPathWithBody
from panope_backends.errors import Field, InvalidInputError
from panope_server.config import Limits
from panope_server.pipeline.read_value import ReadValue
from panope_server.pipeline.resolve import Resolve
from panope_server.pipeline.step import Pipeline
from panope_server.pipeline.validate import Validate
from panope_server.transport.interceptors.answer_headers import headers_of
from panope_server.transport.rest.hugging_face.servicer import HuggingFaceServicer
from panope_server.transport.rest.openai.servicer import OpenAiServicer
from panope_server.transport.rest.panope.servicer import PanopeServicer

EMBEDDER = "acme/embedder"
OPENAI, HF = "/v1/embeddings", "/v1/embed"
TEXTS = {OPENAI: {"model": EMBEDDER, "input": "abc"}, HF: {"inputs": "abc"}}
#: Where a body may hold more options.
NESTED = {OPENAI: "extra_body", HF: "parameters"}


def places(options: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The options in each body, beside the texts and in the object for more."""
    for path, texts in TEXTS.items():
        yield path, texts | options
        yield path, texts | {NESTED[path]: options}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {}),
        ({"normalize": False, "dimensions": 2}, {"normalize": False, "dimensions": 2}),
        ({"prompt_name": "query"}, {"prompt_name": "query"}),
        ({"truncate": True}, {"truncation": "end"}),
        ({"truncate": False}, {"truncation": "refuse"}),
        ({"truncate": "NONE"}, {"truncation": "refuse"}),
        ({"truncate": "END"}, {"truncation": "end"}),
        ({"truncate": "START"}, {"truncation": "start"}),
        ({"truncate": "START", "truncation_direction": "Left"}, {"truncation": "start"}),
        ({"truncate": True, "truncation_direction": "left"}, {"truncation": "start"}),
        ({"truncate_prompt_tokens": -1}, {"truncation": "end"}),
        ({"input_type": "query"}, {"purpose": "query"}),
        ({"input_type": "search_query"}, {"purpose": "query"}),
        ({"input_type": "passage"}, {"purpose": "document"}),
        ({"input_type": "document"}, {"purpose": "document"}),
        ({"input_type": "search_document"}, {"purpose": "document"}),
        ({"add_special_tokens": True, "input_type": None}, {}),
    ],
)
def test_an_option_means_the_same_in_every_body_and_place(edge, options, expected):
    usual = {"truncation": "refuse", "normalize": None, "dimensions": None, "prompt_name": None, "purpose": ""}
    for path, body in places(options):
        reply = edge.post(path, body)
        assert reply.status == 200, (path, body, reply.body)
        task_input = edge.instances.calls[-1].input
        assert {name: getattr(task_input, name) for name in usual} == usual | expected, (path, body)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"truncate_prompt_tokens": 5}, "truncate_prompt_tokens"),
        ({"truncate_prompt_tokens": -1, "truncate": False}, "truncate_prompt_tokens"),
        ({"truncate": "MIDDLE"}, "truncate"),
        ({"truncate": "NONE", "truncation_direction": "left"}, "truncation_direction"),
        ({"truncate": "END", "truncation_direction": "left"}, "truncation_direction"),
        ({"input_type": "image"}, "input_type"),
        ({"input_type": "classification"}, "input_type"),
        ({"input_type": "query", "prompt_name": "query"}, "input_type"),
        ({"add_special_tokens": False}, "add_special_tokens"),
        ({"dimensions": 0}, "dimensions"),
        ({"late_chunking": True}, "late_chunking"),
        ({"task": "retrieval.query"}, "task"),
    ],
)
def test_an_option_that_cannot_be_honoured_is_refused_by_its_name_and_place(edge, options, field):
    for path, body in places(options):
        reply = edge.post(path, body)
        nested = NESTED[path] in body
        assert (reply.status, reply.error["param"]) == (400, f"{NESTED[path]}.{field}" if nested else field), body
    assert edge.instances.calls == []


def test_what_the_model_refuses_is_named_where_the_body_has_it(edge):
    edge.instances.failure = InvalidInputError.at(
        "prompt_name", "{field} is unknown; {truncation} too", truncation=Field("truncation")
    )
    reply = edge.post(HF, TEXTS[HF] | {"parameters": {"prompt_name": "no", "truncate": True}})
    assert reply.error["param"] == "parameters.prompt_name"
    assert reply.error["message"] == "`parameters.prompt_name` is unknown; `parameters.truncate` too"


def test_an_option_that_is_given_twice_must_be_the_same(edge):
    for path, texts in TEXTS.items():
        assert edge.post(path, texts | {"normalize": True, NESTED[path]: {"normalize": True}}).status == 200
        reply = edge.post(path, texts | {"normalize": True, NESTED[path]: {"normalize": False}})
        assert (reply.status, reply.error["param"]) == (400, f"{NESTED[path]}.normalize")


@pytest.mark.parametrize(
    ("options", "waits"),
    [
        ({}, False),
        ({"use_cache": False}, False),
        ({"use_cache": True, "wait_for_model": False}, False),
        ({"wait_for_model": True}, True),
    ],
)
def test_the_inference_apis_options_of_the_call(edge, options, waits):
    assert edge.post(HF, {"inputs": "abc", "parameters": {}, "options": options}).status == 200
    assert edge.instances.calls[-1].wait is waits


@pytest.mark.parametrize(("value", "waits"), [("true", True), ("false", False)])
@pytest.mark.parametrize("header", ["x-panope-wait", "x-wait-for-model"])
def test_a_header_says_too_that_the_caller_waits_for_a_download(edge, header, value, waits):
    edge.post(HF, TEXTS[HF], {header: value})
    assert edge.instances.calls[-1].wait is waits
    reply = edge.post(HF, TEXTS[HF], {header: "maybe"})
    assert (reply.status, reply.error["param"]) == (400, header)


def test_an_option_of_the_call_that_is_unknown_is_refused_by_its_place(edge):
    reply = edge.post(HF, {"inputs": "abc", "options": {"use_gpu": True}})
    assert (reply.status, reply.error["param"]) == (400, "options.use_gpu")


def test_azures_version_is_taken_and_every_other_parameter_refused(edge):
    assert edge.post(f"{OPENAI}?api-version=2024-06-01", TEXTS[OPENAI]).status == 200
    assert edge.get("/v1/models?api-version=2024-06-01").status == 200
    assert edge.get(f"/v1/models/{EMBEDDER}?api-version=2024-06-01").status == 200
    reply = edge.post(f"{OPENAI}?api_version=1", TEXTS[OPENAI])
    assert (reply.status, reply.error["param"]) == (400, "api_version")


def test_neutral_fields_of_openais_body_are_taken(edge):
    assert edge.post(OPENAI, TEXTS[OPENAI] | {"priority": 0, "extra_body": {}}).status == 200
    reply = edge.post(OPENAI, TEXTS[OPENAI] | {"priority": 1})
    assert (reply.status, reply.error["param"]) == (400, "priority")


class Context:
    """A call as gRPC hands it over."""

    def __init__(self, path: str = "") -> None:
        self.path = path

    def invocation_metadata(self) -> list[tuple[str, str]]:
        return [("x-envoy-original-path", self.path)]

    def time_remaining(self) -> None:
        return None

    def peer(self) -> str:
        return "ipv4:127.0.0.1:50000"


def body_of(value: object) -> HttpBody:
    return HttpBody(content_type="application/json", data=json.dumps(value).encode())


async def ask(path: str, body: dict[str, Any], *, report: bool, query: str = "") -> tuple[Any, str]:
    """The answer of a server that reports what it ignores, and its report."""
    models, context = FakeModels(model_views()), Context(path + query)
    validate = Validate(Limits())
    pipeline = Pipeline([validate, Resolve(models), ReadValue(validate.check)], FakeInstances().answer)
    parts = (pipeline, models)
    if path == OPENAI:
        reply = await OpenAiServicer(*parts, report_unknown=report).CreateEmbeddings(body_of(body), context)
    elif path == HF:
        reply = await HuggingFaceServicer(*parts, report_unknown=report).Embed(body_of(body), context)
    else:
        request = ModelPathWithBody(model=EMBEDDER, body=body_of(body))
        reply = await PanopeServicer(*parts, report_unknown=report).Infer(request, context)
    return json.loads(reply.data), headers_of(context).get("x-panope-ignored-fields", "")


@pytest.mark.parametrize(
    ("path", "more", "ignored"),
    [
        (OPENAI, {"task": "x", "late_chunking": True}, "task, late_chunking"),
        (OPENAI, {"extra_body": {"task": "x", "normalize": True}}, "extra_body.task"),
        (HF, {"zzz": {"deep": [1]}, "parameters": {"top_k": 1}}, "zzz, parameters.top_k"),
        (HF, {"options": {"use_gpu": False, "use_cache": False}}, "options.use_gpu"),
        (HF, {"a\r\nset-cookie: x": 1, "é, b": 2, "n" * 100: 3}, f"a??set-cookie:?x, ???b, {'n' * 64}"),
        ("/v1/infer", {"value": "abc", "zzz": 1}, "zzz"),
        (HF, {}, ""),
    ],
)
async def test_a_server_that_reports_answers_without_the_unknown_fields_and_names_them(path, more, ignored):
    body = TEXTS.get(path, {}) | more
    answer, told = await ask(path, body, report=True)
    assert told == ignored
    known, nothing = await ask(path, TEXTS.get(path, {"value": "abc"}), report=True)
    assert (answer, nothing) == (known, "")
    if ignored:
        with pytest.raises(InvalidInputError, match="unknown field"):
            await ask(path, body, report=False)


async def test_a_server_that_reports_names_unknown_query_parameters_too():
    answer, told = await ask(OPENAI, TEXTS[OPENAI], report=True, query="?api-version=1&trace=2")
    assert (len(answer["data"]), told) == (1, "?trace")


@pytest.mark.parametrize("name", ["model", "task", "body", "body.data"])
async def test_a_server_that_reports_takes_no_parameter_that_could_pose_as_a_part_of_the_path(name):
    with pytest.raises(InvalidInputError, match="unknown query parameter"):
        await ask("/v1/infer", {"value": "abc"}, report=True, query=f"?{name}=acme/tensors")


@pytest.mark.parametrize(
    "more", [{"dimensions": "x"}, {"truncate_prompt_tokens": 7}, {"parameters": {"dimensions": 0}}]
)
async def test_a_server_that_reports_still_refuses_wrong_values_of_known_fields(more):
    with pytest.raises(InvalidInputError, match="must be"):
        await ask(HF, TEXTS[HF] | {"zzz": 1} | more, report=True)


async def test_many_ignored_names_are_told_within_a_bound():
    _, told = await ask(HF, TEXTS[HF] | {f"field_{n}": n for n in range(500)}, report=True)
    assert told.endswith("field_31, ...")
