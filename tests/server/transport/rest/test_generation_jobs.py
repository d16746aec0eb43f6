"""Generations by jobs through the real Envoy: asked for, told of, and their files in whole and in parts."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from rest_doubles.description import check_reply, operation_of
from rest_doubles.generation_jobs import CONTENT, UNTIL
from rest_doubles.models import FILMER, INTERPOLATOR, PAINTER

from panope_registry.jobs import JobStatus

FORM = "multipart/form-data; boundary=b"
EDIT = (
    b'--b\r\ncontent-disposition: form-data; name="prompt"\r\n\r\na fox\r\n'
    b'--b\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\n\r\npng\r\n--b--\r\n'
)
INTERPOLATION = "/v1/jobs/frame-interpolation"
VIDEO_FORM = (
    b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\n' + INTERPOLATOR.encode() + b"\r\n"
    b'--b\r\ncontent-disposition: form-data; name="factor"\r\n\r\n4\r\n'
    b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.mp4"\r\n\r\nmp4\r\n--b--\r\n'
)
ETAG = f'"{hashlib.sha256(CONTENT).hexdigest()}"'
FILE = "/v1/jobs/3/files/0.mp4"


def test_a_video_is_accepted_with_a_job_that_tells_what_was_asked(edge):
    body = {"prompt": "a fox", "model": FILMER, "size": "64x32", "frames": 5, "steps": 2}
    reply = edge.request("POST", "/v1/jobs/video-generation", body)
    assert reply.status == 202, reply.body
    job = reply.json["job"]
    assert (job["id"], job["kind"], job["status"], job["files"]) == (3, "generate_video", "queued", [])
    assert job["payload"]["input"]["frames"] == 5
    assert "run" not in job["payload"]
    assert edge.request("GET", "/v1/jobs/3").json == job


@pytest.mark.parametrize("path", ["/v1/jobs/video-generation", "/v1/videos"])
def test_a_request_may_have_a_key(edge, path):
    body = {"prompt": "a fox", "model": FILMER}
    assert edge.request("POST", path, body, {"idempotency-key": "once"}).status < 300
    assert edge.generation_jobs.keys[-1] == "once"
    refused = edge.request("POST", path, body, {"idempotency-key": "a" * 256})
    assert (refused.status, refused.error["param"]) == (400, "idempotency-key")


def test_images_are_accepted_by_a_text_or_by_a_form(edge):
    reply = edge.request("POST", "/v1/jobs/image-generation", {"prompt": "a fox", "model": PAINTER, "n": 2})
    assert reply.status == 202, reply.body
    assert reply.json["job"]["payload"]["input"]["count"] == 2
    reply = edge.request("POST", "/v1/jobs/image-generation", EDIT, {"content-type": FORM})
    assert reply.status == 202, reply.body
    assert edge.instances.calls[-1].input.image.content == b"png"
    foreign = {"content-type": FORM, "origin": "https://evil.example.org"}
    assert edge.request("POST", "/v1/jobs/image-generation", EDIT, foreign).status == 403


def test_a_video_that_gets_more_frames_is_accepted_by_its_form(edge):
    reply = edge.request("POST", INTERPOLATION, VIDEO_FORM, {"content-type": FORM, "idempotency-key": "once"})
    assert reply.status == 202, reply.body
    job = reply.json["job"]
    assert (job["kind"], job["payload"]["input"]["factor"]) == ("interpolate_video", 4)
    assert edge.instances.calls[-1].input.video == b"mp4"
    assert edge.generation_jobs.keys[-1] == "once"
    for wanted, param in ((b"4", b"17"), "factor"), ((INTERPOLATOR.encode(), b"acme/embedder"), "model"):
        refused = edge.request("POST", INTERPOLATION, VIDEO_FORM.replace(*wanted), {"content-type": FORM})
        assert (refused.status, refused.error["param"]) == (400, param)
    foreign = {"content-type": FORM, "origin": "https://evil.example.org"}
    assert edge.request("POST", INTERPOLATION, VIDEO_FORM, foreign).status == 403


@pytest.mark.parametrize(
    ("kind", "body", "param"),
    [
        ("video", {"model": FILMER}, "prompt"),
        ("video", {"prompt": "a", "frames": 0}, "frames"),
        ("video", {"prompt": "a", "size": "big"}, "size"),
        ("video", {"prompt": "a", "steps": 999}, "steps"),
        ("image", {"prompt": "a", "n": 11}, "n"),
        ("image", {"prompt": "a", "stream": True}, "stream"),
        ("image", {"prompt": "a", "model": FILMER}, "model"),
    ],
)
def test_what_is_refused_is_named_and_makes_no_job(edge, kind, body, param):
    reply = edge.request("POST", f"/v1/jobs/{kind}-generation", body)
    assert (reply.status, reply.error["param"]) == (400, param)
    assert 3 not in edge.jobs.entries


def test_a_file_is_had_whole_by_its_headers_alone_and_by_ranges(edge):
    edge.generation_jobs.finish(3)
    whole = edge.request("GET", FILE)
    assert (whole.status, whole.body, whole.headers["content-type"]) == (200, CONTENT, "video/mp4")
    assert (whole.headers["etag"], whole.headers["accept-ranges"]) == (ETAG, "bytes")
    assert whole.headers["expires"] == "Wed, 02 Jan 2999 03:04:05 GMT"
    head = edge.request("HEAD", FILE)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(CONTENT)))
    part = edge.request("GET", FILE, headers={"range": "bytes=10-19"})
    assert (part.status, part.body) == (206, CONTENT[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(CONTENT)}"
    assert edge.request("GET", FILE, headers={"range": "bytes=-6"}).body == CONTENT[-6:]
    assert edge.request("GET", FILE, headers={"range": f"bytes={len(CONTENT)}-"}).status == 416
    same = edge.request("GET", FILE, headers={"range": "bytes=0-3", "if-range": ETAG})
    assert (same.status, same.body) == (206, CONTENT[:4])
    other = edge.request("GET", FILE, headers={"range": "bytes=0-3", "if-range": '"other"'})
    assert (other.status, other.body) == (200, CONTENT)
    assert edge.request("GET", FILE, headers={"if-none-match": ETAG}).status == 304


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/jobs/3/files/1.mp4", "job_file_not_found"),
        ("/v1/jobs/99/files/0.mp4", "job_not_found"),
        ("/v1/jobs/x/files/0.mp4", "job_not_found"),
        ("/v1/jobs/%D9%A3/files/0.mp4", "job_not_found"),
    ],
)
def test_what_is_not_there_is_404_by_name(edge, path, code):
    edge.generation_jobs.finish(3)
    reply = edge.request("GET", path)
    assert (reply.status, reply.error["code"]) == (404, code)


def test_files_that_have_expired_or_were_deleted_are_410(edge):
    edge.generation_jobs.finish(3)
    gone = edge.request("DELETE", "/v1/jobs/3/files")
    check_reply(operation_of("DELETE", "/v1/jobs/{job=*}/files"), gone)
    assert (gone.status, gone.json["files"]) == (200, [])
    reply = edge.request("GET", FILE)
    assert (reply.status, reply.error["code"]) == (410, "job_files_expired")


def test_a_finished_job_tells_its_files_and_until_when(edge):
    job = edge.generation_jobs.finish(3)
    told = edge.request("GET", "/v1/jobs/3").json
    (file,) = told["files"]
    assert (file["name"], file["size_bytes"], file["frames"]) == ("0.mp4", len(CONTENT), 5)
    assert told["expires_at"] == UNTIL.isoformat().replace("+00:00", "Z")
    edge.jobs.entries[3] = replace(job, status=JobStatus.FAILED)
    assert edge.request("GET", "/v1/jobs/3").json["files"] == []


def test_a_file_takes_no_other_method(edge):
    assert edge.request("POST", FILE, {}).status == 405
