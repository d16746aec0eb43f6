"""Jobs through Envoy."""

from __future__ import annotations

import json

import pytest

from panope_backends.errors import ShuttingDownError
from panope_registry.jobs import JobStatus


def test_jobs_are_listed_newest_first_page_after_page(edge):
    first = edge.get("/v1/jobs?limit=1").json
    assert ([job["id"] for job in first["jobs"]], first["has_more"]) == ([2], True)
    rest = edge.get("/v1/jobs?limit=1&after=2").json
    assert ([job["id"] for job in rest["jobs"]], rest["has_more"]) == ([1], False)


def test_jobs_are_listed_by_state_and_kind(edge):
    assert [job["id"] for job in edge.get("/v1/jobs?status=running").json["jobs"]] == [2]
    assert [job["id"] for job in edge.get("/v1/jobs?kind=repo_sync").json["jobs"]] == [1]


def test_a_job_tells_how_far_it_is_and_what_went_wrong_before(edge):
    job = edge.get("/v1/jobs/2").json
    progress = {"phase": "download", "done": 1 << 33, "total": 1 << 34, "unit": "bytes"}
    parts = [{"name": "model.safetensors", "done": 1 << 33, "total": 1 << 34}]
    assert job["progress"] == progress | {"parts": parts}
    assert job["error"] == {
        "reason": "source_unavailable",
        "message": "the hub does not answer",
        "retryable": True,
    }
    assert (job["status"], job["result"], job["depends_on"]) == ("running", None, [1])
    assert (job["created_at"], job["finished_at"]) == ("2026-01-02T03:04:05Z", None)


def test_a_job_that_is_done_tells_its_result(edge):
    assert edge.get("/v1/jobs/1").json["result"] == {"task": "embed"}


def test_a_job_is_cancelled_and_queued_again(edge):
    assert edge.post("/v1/jobs/2/cancel", {}).json["status"] == "cancelled"
    assert edge.post("/v1/jobs/2/retry", {}).json["status"] == "queued"
    assert edge.jobs.asked == [("cancel", 2), ("retry", 2)]


def test_a_job_that_has_not_failed_is_not_queued_again(edge):
    reply = edge.post("/v1/jobs/2/retry", {})
    assert (reply.status, reply.error["code"]) == (400, "job_not_failed")


@pytest.mark.parametrize("job", ["3", "0", "-1", "1.5", "abc", "9" * 30, "٣"])
@pytest.mark.parametrize("suffix", ["", "/events"])
def test_a_job_that_is_not_there_is_404(edge, job, suffix):
    from urllib.parse import quote

    reply = edge.get(f"/v1/jobs/{quote(job)}{suffix}")
    assert (reply.status, reply.error["code"]) == (404, "job_not_found")


@pytest.mark.parametrize(
    ("query", "field"),
    [("status=sleeping", "status"), ("limit=0", "limit"), ("limit=1001", "limit"), ("after=x", "after"), ("a=1", "a")],
)
def test_a_wrong_parameter_is_refused_by_name(edge, query, field):
    reply = edge.get(f"/v1/jobs?{query}")
    assert (reply.status, reply.error["param"]) == (400, field)


def test_a_page_of_another_site_cannot_cancel_a_job(edge):
    for headers in ({"content-type": "text/plain"}, {"content-type": ""}):
        reply = edge.request("POST", "/v1/jobs/2/cancel", b"{}", headers)
        assert (reply.status, reply.error["code"]) == (415, "unsupported_content_type")
    assert edge.jobs.entries[2].status is JobStatus.RUNNING


def test_a_method_without_fields_refuses_them(edge):
    reply = edge.post("/v1/jobs/2/cancel", {"force": True})
    assert (reply.status, reply.error["code"]) == (400, "unknown_field")
    assert edge.jobs.entries[2].status is JobStatus.RUNNING


def events_of(body: bytes) -> list[str]:
    return [line.removeprefix("data: ") for line in body.decode().split("\n\n") if line]


def test_watching_sends_every_change_and_says_when_it_is_over(edge):
    reply = edge.get("/v1/jobs/2/events")
    *events, last = events_of(reply.body)
    assert [json.loads(event)["status"] for event in events] == ["running", "succeeded"]
    assert last == "[DONE]"
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"


def test_watching_that_breaks_off_ends_in_an_error_and_not_as_if_the_job_had(edge):
    edge.jobs.failure = ShuttingDownError("the server is stopping")
    events = events_of(edge.get("/v1/jobs/2/events").body)
    assert json.loads(events[-1])["error"] == {
        "message": "the server is stopping",
        "type": "server_error",
        "param": None,
        "code": "shutting_down",
    }
