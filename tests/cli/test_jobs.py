"""`panope jobs`, as a person types it."""

from __future__ import annotations

from panope_registry.database import Database, open_engine
from panope_registry.handlers.requests import DownloadRequest, ask_for_download
from panope_registry.jobs import Jobs

MODEL = "acme/tiny"
ELSEWHERE = "0123abcd" * 4


def asked_elsewhere(cli):
    """A download that another server, with a store of its own, was asked for."""
    database = Database(open_engine(f"sqlite:///{cli.home / 'registry.sqlite3'}"))
    try:
        return ask_for_download(Jobs(database), DownloadRequest(MODEL), store=ELSEWHERE).id
    finally:
        database.close()


def test_a_download_for_another_store_is_told_as_such_and_left_alone(cli, hub):
    cli("register", MODEL)
    job_id = asked_elsewhere(cli)
    assert "waits for store 0123abcd" in cli("jobs", "list").out

    cli("pull", MODEL)

    assert cli("jobs", "show", str(job_id), "--json").json["status"] == "queued"
    (mine,) = [job for job in cli("jobs", "list", "--json").json if job["store"] not in (None, ELSEWHERE)]
    assert mine["status"] == "succeeded"
    store = next(found for found in cli("doctor", "--json").json["findings"] if found["what"] == "store")
    assert mine["store"] in store["detail"]


def test_a_download_for_a_store_that_is_gone_can_be_cancelled(cli, hub):
    cli("register", MODEL)
    job_id = asked_elsewhere(cli)
    assert "cancelled" in cli("jobs", "cancel", str(job_id)).out
    assert "waits for store" not in cli("jobs", "list").out
