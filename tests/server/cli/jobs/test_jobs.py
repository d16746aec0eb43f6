"""`panope jobs`, as a person types it."""

from __future__ import annotations

import pytest

from panope_registry.job_handlers.requests import DownloadRequest, enqueue_download
from panope_registry.session import RegistrySession

MODEL = "acme/tiny"
ELSEWHERE = "0123abcd" * 4


def asked_elsewhere(cli):
    """A download that another server, with a store of its own, was asked for."""
    with RegistrySession.open(cli.home / "registry.sqlite3", cli.home) as session:
        return enqueue_download(session.jobs, DownloadRequest(MODEL), store=ELSEWHERE).id


@pytest.mark.parametrize("option", ["--kind", "--status"])
def test_a_filter_that_no_job_meets_is_refused_by_its_option(cli, option):
    cli("register", MODEL)
    assert f"`{option}` must be one of `" in cli("jobs", option, "foo", code=2).err


def test_a_download_for_another_store_is_told_as_such_left_alone_and_can_be_cancelled(cli, hub):
    job_id = asked_elsewhere(cli)
    assert "waits for store 0123abcd" in cli("jobs", "list").out

    cli("pull", MODEL)

    mine, _, theirs = cli("jobs", "list", "--json").json
    assert (mine["status"], mine["store"]) == ("succeeded", (cli.home / "store" / "id").read_text())
    assert (theirs["id"], theirs["status"], theirs["store"]) == (job_id, "queued", ELSEWHERE)
    assert cli("jobs", "cancel", str(job_id), "--json").json["status"] == "cancelled"


def test_a_job_that_has_ended_is_in_no_phase(cli):
    cli("register", MODEL)
    (job,) = cli("jobs", "--json").json
    assert (job["status"], job["progress"]["phase"] != "") == ("succeeded", True)
    assert f" {job['progress']['phase']} " not in cli("jobs").out
