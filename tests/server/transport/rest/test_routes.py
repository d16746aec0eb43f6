"""Every REST route of the protos, called through Envoy."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from rest_doubles.description import check_body, check_reply, operation_of
from rest_doubles.good_bodies import BODIES, VIDEOS
from rest_doubles.models import (
    DETECTOR,
    ENLARGER,
    FILLER,
    GENERATOR,
    OCR,
    PAINTER,
    RANGER,
    READER,
    SEGMENTER,
    SPEAKER,
    TABLE_READER,
    TRANSCRIBER,
)
from tests.rest_paths import filled

from panope_envoy.rest_routes import RestRoute, rest_routes
from panope_envoy.route_table import TEXT_EMBEDDINGS
from panope_registry.jobs import JobStatus

INTERPOLATED = ("/v1/video/interpolate", "/v1/tool/video/interpolate")
INTERPOLATED_LATER = "/v1/jobs/frame-interpolation"
WITH_BODY = {"POST", "PUT", "PATCH"}
#: These take forms.
FORM = "multipart/form-data; boundary=b"
FORMS = {
    **dict.fromkeys(
        ("/v1/audio/transcriptions", "/v1/audio/translations", "/v1/audio/voice-activity"),
        b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\n' + TRANSCRIBER.encode() + b"\r\n"
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\na\r\n--b--\r\n',
    ),
    **dict.fromkeys(
        (*INTERPOLATED, INTERPOLATED_LATER),
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.mp4"\r\n\r\na\r\n--b--\r\n',
    ),
    "/v1/videos": b'--b\r\ncontent-disposition: form-data; name="prompt"\r\n\r\na\r\n--b--\r\n',
    "/v1/images/edits": b'--b\r\ncontent-disposition: form-data; name="prompt"\r\n\r\na\r\n'
    b'--b\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\n\r\na\r\n--b--\r\n',
}
TRANSCRIBE = ("/v1/speech-recognition/{model=**}",)
SPEAK = ("/v1/text-to-speech/{model=**}",)
#: Marks paths with one segment for the model; none of the models here has such a name, so the façade says so.
ONE_SEGMENT = "{model=*}"
#: These are of models with labels.
LABELLED = ("/v1/classify/{model=**}", "/v1/audio-classification/{model=**}")
#: Models that these name look at images.
LOOK = {
    "/v1/detect/{model=**}": DETECTOR,
    "/v1/segment/{model=**}": SEGMENTER,
    "/v1/depth/{model=**}": RANGER,
    "/v1/ocr/{model=**}": OCR,
    "/v1/superres/{model=**}": ENLARGER,
    "/v1/text-to-image/{model=**}": PAINTER,
    "/v1/image-to-image/{model=**}": PAINTER,
}
#: Models that these name read texts.
READ = {
    "/v1/answer/{model=**}": READER,
    "/v1/table-question-answering/{model=**}": TABLE_READER,
    "/v1/fill-mask/{model=**}": FILLER,
}
#: What these ask for is done later, by a job.
ACCEPTED = (
    *("/v1/models/register", "/v1/models/pull", "/v1/models/{model=*/*}/variants"),
    *("/v1/jobs/image-generation", "/v1/jobs/video-generation", INTERPOLATED_LATER),
)
#: Models that these name generate.
GENERATE = tuple(
    f"/v1/{task}/{{model=**}}"
    for task in (
        *("summarize", "translate", "visual-question-answering", "document-question-answering"),
        "image-to-text",
    )
)
#: Answers of these are streams of events.
EVENTS = ("/v1/jobs/{job=*}/events", "/generate_stream", "/v1/generate_stream")
#: Answers of these are files.
FILES = {
    **{f"/v1{path}superres": "image/png" for path in ("/", "/vision/", "/tool/vision/")},
    "/v1/superres/{model=**}": "image/png",
    **{f"/v1/{way}{path}": "image/png" for way in ("text-to-image", "image-to-image") for path in ("", "/{model=**}")},
    **dict.fromkeys((*VIDEOS, *INTERPOLATED), "video/mp4"),
    "/v1/audio/speech": "audio/mpeg",
    "/v1/text-to-speech": "audio/flac",
    "/v1/text-to-speech/{model=**}": "audio/flac",
}
#: What these ask for no model here does.
REFUSED = ("/embed_sparse",)


def name_of(route: RestRoute) -> str:
    return f"{route.verb} {route.template}"


@pytest.mark.parametrize("route", rest_routes(), ids=name_of)
def test_every_route_reaches_its_method(edge, route):
    known = "labels/classifier" if route.template in LABELLED else "acme/embedder"
    known = LOOK.get(route.template, known)
    known = GENERATOR if route.template in GENERATE else READ.get(route.template, known)
    known = TRANSCRIBER if route.template in TRANSCRIBE else known
    known = SPEAKER if route.template in SPEAK else known
    model = "single" if ONE_SEGMENT in route.template else known
    edge.jobs.entries[2] = replace(edge.jobs.entries[2], status=JobStatus.CANCELLED)
    edge.generation_jobs.finish(3)
    path, body = filled(route.template, model=model), BODIES.get((route.verb, route.template))
    form = FORMS.get(route.template) if route.verb in WITH_BODY else None
    reply = edge.request(route.verb, path, form or body, {"content-type": FORM} if form else None)
    described = operation_of(route.verb, route.template)
    check_reply(described, reply)
    if body is not None:
        check_body(described, body)
    if ONE_SEGMENT in route.template:
        assert reply.status == 404
        assert b"`single`" in reply.body
    elif route.template in REFUSED:
        assert (reply.status, reply.json["error_type"]) == (400, "Validation")
    else:
        assert reply.status == (202 if route.template in ACCEPTED else 200), reply.body
        events = "text/event-stream; charset=utf-8"
        assert reply.headers["content-type"] == (
            events if route.template in EVENTS else FILES.get(route.template, "application/json")
        )


def test_a_path_with_a_parameter_that_no_value_is_known_of_fails_by_name():
    assert filled("/v1/jobs/{job}/of/{model=**}", model="a/b") == "/v1/jobs/2/of/a/b"
    with pytest.raises(AssertionError, match=r"`/v1/\{other\}` has the new parameter `other`: give it a value in"):
        filled("/v1/{other}")


def test_every_route_with_a_body_has_a_good_one_here():
    assert {(route.verb, route.template) for route in rest_routes() if route.verb in WITH_BODY} == {
        *BODIES,
        *(("POST", path) for path in FORMS),
    }


@pytest.mark.parametrize("route", rest_routes(), ids=name_of)
@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
def test_another_method_on_a_known_path_is_405_and_names_the_right_one(edge, route, verb):
    path = filled(route.template)
    # `register` might be a model's name, so more than one route may take a path.
    allowed = {other.verb for other in rest_routes() if re.fullmatch(other.pattern, path)}
    allowed |= {"HEAD"} if "GET" in allowed else set()
    if verb in allowed:
        return
    reply = edge.request(verb, path, b"{}" if verb in WITH_BODY else None)
    assert (reply.status, reply.headers["allow"]) == (405, ", ".join(sorted(allowed)))
    if verb != "HEAD" and route.service == TEXT_EMBEDDINGS:
        assert reply.json["error_type"] == "Validation"
    elif verb != "HEAD":
        assert reply.error["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/v1", "/v2/models", "/v1/embeddingz", "/v1/chat/completion", "/healthz"])
def test_an_unknown_path_is_404_in_the_shape_of_errors(edge, path):
    for reply in (edge.get(path), edge.post(path, {})):
        assert reply.status == 404
        assert reply.error == {
            "message": "there is nothing at this path",
            "type": "invalid_request_error",
            "param": None,
            "code": "unknown_path",
        }


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/acme/embedder",
        "/v1/models/acme%2Fembedder",
        "/v1/models/acme%2fembedder",
        "/v1/models/acme/embedder/",
        "/v1//models/acme/embedder",
        "/v1/hardware/../models/acme/embedder",
        "/v1/models/x%2F..%2Facme/embedder",
        "/v1/models/acme%2Fembedder/info",
    ],
)
def test_a_model_is_found_however_its_path_is_written(edge, path):
    assert edge.get(path).json["id" if "info" not in path else "name"] == "acme/embedder"


@pytest.mark.parametrize("path", ["/v1/models/acme%252Fembedder", "/v1/models/acme%00embedder", "/v1/models/a\\b"])
def test_a_path_that_hides_something_finds_no_model(edge, path):
    reply = edge.get(path)
    assert reply.status in {400, 404}
    assert reply.error["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["/v1/models/acme/embedder", "/v1/models", "/v1/hardware", "/v1/models/a/b/info"])
def test_an_unknown_query_parameter_is_refused_by_name(edge, path):
    reply = edge.get(f"{path}?model=acme/tensors")
    assert reply.status == 400
    assert reply.error == {
        "message": "unknown query parameter `model`",
        "type": "invalid_request_error",
        "param": "model",
        "code": "unknown_field",
    }


def test_a_query_cannot_change_the_body_or_the_model(edge):
    reply = edge.post("/v1/infer/acme/embedder?model=acme/tensors&body.data=e30=", {"value": "a"})
    assert (reply.status, reply.error["code"]) == (400, "unknown_field")


def test_the_admin_app_is_reached_through_the_same_port(edge):
    assert edge.get("/health").json == {"status": "ok"}
    assert edge.get("/ready").json == {"ready": True, "not_ready": []}
    assert edge.get("/status").json["version"] == "1"
    assert edge.get("/metrics").body == edge.get("/v1/metrics").body == b"panope_up 1\n"


def test_ready_tells_through_envoy_which_models_are_not(edge):
    edge.not_ready["acme/embedder"] = "loading"
    reply = edge.get("/ready")
    assert reply.status == 503
    assert reply.json["error"]["code"] == "not_ready"
    assert reply.json["not_ready"] == [{"name": "acme/embedder", "reason": "loading"}]


def test_the_admin_app_takes_no_other_method_through_envoy(edge):
    reply = edge.post("/health", {})
    assert (reply.status, reply.headers["allow"], reply.error["code"]) == (405, "GET, HEAD", "method_not_allowed")
