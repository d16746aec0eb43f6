"""`panope register` and `panope pull`, as a person types them."""

from __future__ import annotations

import hashlib
import json
import signal
import sqlite3
import time

import pytest
from huggingface_hub import snapshot_download

MODEL = "acme/tiny"


def test_register_tells_everything_and_fetches_no_weights(cli, hub):
    registered = cli("register", MODEL, "--task", "embed", "--json").json
    assert (registered["model"], registered["architecture"]) == (MODEL, "BertModel")
    assert [variant["format"] for variant in registered["variants"]] == ["safetensors"]

    shown = cli("show", MODEL, "--json").json
    assert [file["path"] for file in shown["variants"][0]["files"]] == ["config.json", "model.safetensors"]
    told = cli("show", MODEL).out
    assert "from: hub at main" in told
    assert "1.0 MB of them not here, takes 1.3 MB of memory" in told
    weights = [request for request in hub.gets("model.safetensors") if "range" not in request.headers]
    assert weights == []


def test_pull_brings_a_model_whole_and_verified(cli, hub, tiny):
    assert cli("pull", MODEL).out == f"pulled {MODEL}: 1 file, 1.0 MB\n"

    sha256 = hashlib.sha256(tiny()["model.safetensors"]).hexdigest()
    blob = cli.home / "store" / "blobs" / "sha256" / sha256[:2] / sha256
    assert blob.read_bytes() == tiny()["model.safetensors"]


@pytest.mark.slow
def test_pull_again_fetches_nothing_again(cli, hub):
    cli("pull", MODEL)
    before = len(hub.gets("model.safetensors"))
    assert "everything was here already" in cli("pull", MODEL).out
    assert len(hub.gets("model.safetensors")) == before


@pytest.mark.slow
def test_the_same_weights_in_another_repo_are_not_fetched_again(cli, hub, tiny):
    hub.add("other/copy", tiny())
    cli("pull", MODEL)
    before = len(hub.gets())
    assert cli("pull", "other/copy", "--json").json["files"] == []
    assert [request.path for request in hub.gets()[before:] if "safetensors" in request.path] == []


@pytest.mark.slow
def test_a_link_that_breaks_does_not_show(cli, hub, tiny):
    hub.add(MODEL, tiny(seed=1, megabytes=8))
    hub.fault("drop_after", times=3, match="safetensors", method="GET", bytes=3 << 20)
    assert "pulled" in cli("pull", MODEL).out


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
def test_a_pull_that_is_stopped_goes_on_where_it_was(cli, hub, tiny, end):
    hub.add("acme/large", sharded(tiny, count=3, megabytes=8))
    hub.fault("trickle", times=None, match=".safetensors", on="cdn", bytes=1 << 18, seconds=0.3)
    process = cli.start("pull", "acme/large")
    wait_for_bytes(cli, process, files=3, size=1 << 19)
    process.send_signal(end)
    out, err = process.communicate(timeout=30)
    assert process.returncode == (130 if end is signal.SIGINT else -signal.SIGKILL), out + err
    assert "Traceback" not in err
    downloads = cli.home / "store" / "downloads"
    arrived = {part.stem: part.stat().st_size for part in downloads.glob("*.part")}
    assert len(arrived) == 3
    hub.clear_faults()
    hub.requests.clear()
    if end is signal.SIGKILL:
        end_leases(cli)

    assert "pulled acme/large: 3 files" in cli("pull", "acme/large").out

    # On the CDN a file is known by its hash.
    begun = {request.path.strip("/").partition("?")[0]: request.headers.get("range") for request in hub.gets()}
    assert {sha256: begun[sha256] for sha256 in arrived} == {
        sha256: f"bytes={size}-" for sha256, size in arrived.items()
    }, "not a byte that had arrived was fetched again"


def test_a_pull_whose_shell_ignores_ctrl_c_says_what_stops_it(cli, hub, tiny):
    hub.add("acme/large", tiny(seed=1, megabytes=8))
    hub.fault("trickle", times=None, match=".safetensors", on="cdn", bytes=1 << 18, seconds=0.5)
    process = cli.start("pull", "acme/large", before=("sh", "-c", 'trap "" INT; exec "$@"', "sh"))
    wait_for_bytes(cli, process, files=1, size=1 << 18)
    process.send_signal(signal.SIGINT)
    wait_for_bytes(cli, process, files=1, size=3 << 18)  # it goes on
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, out + err
    assert err.startswith("panope: SIGINT is ignored, as it was when this was started; SIGTERM stops it")
    assert "goes on with job" in out


def test_the_hubs_own_variables_serve_a_pull(cli, hub, tiny, tmp_path):
    """Its address, its token, and its client's cache, without any setting of ours."""
    hub.add("acme/gated", tiny(seed=3), gated=True)
    hub.token = "hf_secret"
    del cli.environment["PANOPE_HUB_ENDPOINT"]
    cache = tmp_path / "hf"
    commit = hub.add("acme/cached", tiny(seed=4))
    snapshot_download("acme/cached", endpoint=hub.endpoint, cache_dir=cache / "hub", token=False)
    hub.requests.clear()
    cli.environment |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(cache)}
    assert "the repo is gated" in cli.program("pull", "acme/gated", code=1).err
    (cache / "token").write_text(hub.token)
    assert "pulled acme/gated" in cli.program("pull", "acme/gated").out
    before = len(hub.gets())
    assert "pulled acme/cached: 1 file" in cli.program("pull", "acme/cached").out
    assert len(hub.gets()) == before
    cli.environment |= {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(cache / "hub")}
    cli.home = tmp_path / "another"
    asked = len(hub.requests)
    assert cli.program("register", "acme/cached", "--json").json["commit"] == commit
    assert "HF_HUB_OFFLINE" in cli.program("pull", MODEL, code=1).err
    assert len(hub.requests) == asked


def wait_for_bytes(cli, process, *, files, size):
    """Until so much of so many files has arrived."""
    deadline = time.monotonic() + 30
    while sum(part.stat().st_size >= size for part in (cli.home / "store" / "downloads").glob("*.part")) < files:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def sharded(tiny, *, count, megabytes):
    """A model whose weights are in several files."""
    shards = {
        f"model-{number:05}-of-{count:05}.safetensors": tiny(seed=number, megabytes=megabytes)["model.safetensors"]
        for number in range(1, count + 1)
    }
    index = {"metadata": {}, "weight_map": {f"w{number}": path for number, path in enumerate(shards)}}
    config = tiny()["config.json"]
    return {"config.json": config, "model.safetensors.index.json": json.dumps(index).encode(), **shards}


def end_leases(cli):
    """As if the time of a lease had passed since its holder died."""
    with sqlite3.connect(cli.home / "registry.sqlite3") as database:
        database.execute("UPDATE job SET lease_until = '2020-01-01 00:00:00.000000' WHERE lease_until IS NOT NULL")


@pytest.mark.parametrize(
    ("arguments", "sentence", "code"),
    [
        (("acme/nothing",), "no such repo", 1),
        ((MODEL, "--revision", "nowhere"), "revision", 1),
        ((MODEL, "--revision", "a..b"), "`--revision` is no name of a branch", 2),
        ((MODEL, "--format", "gguf"), "has no such variant; it has safetensors fp32", 1),
        ((MODEL, "--precision", "int4"), "has no such variant; it has safetensors fp32", 1),
        ((MODEL, "--format", "pickle"), "`--format` must be one of", 2),
        ((MODEL, "--include", "../*"), "is not a path inside a model", 2),
        ((MODEL, "--include", "*.onnx"), "no file of `acme/tiny` matches `*.onnx`", 1),
        (("a/b/c",), "is not a model's name", 2),
    ],
)
def test_what_cannot_be_pulled_ends_in_a_sentence(cli, arguments, sentence, code):
    result = cli("pull", *arguments, code=code)
    assert sentence in result.err
    assert result.err.count("\n") == 1, "a sentence, and nothing beside it"


def test_a_gated_repo_is_told_with_the_page_of_its_terms(cli, hub, tiny):
    hub.add("acme/gated", tiny(seed=3), gated=True)
    told = cli("pull", "acme/gated", code=1).err
    assert f"the repo is gated: accept its terms at {hub.endpoint}/acme/gated," in told
    assert told.count("\n") == 1


@pytest.mark.slow
def test_a_pull_does_not_go_on_with_others_that_were_interrupted(cli, hub, tiny):
    hub.add("acme/other", tiny(seed=5))
    hub.fault("stall", bytes=1 << 17, match="model.safetensors", on="cdn", times=None)
    process = cli.start("pull", "acme/other")
    wait_for_bytes(cli, process, files=1, size=1 << 17)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=15)
    assert process.returncode == 130, "though the hub stalls"
    hub.clear_faults()
    cli("pull", MODEL)
    status = {(job["kind"], job["payload"]["model"]): job["status"] for job in cli("jobs", "list", "--json").json}
    assert status["artifact_download", MODEL] == "succeeded"
    assert status["artifact_download", "acme/other"] in ("queued", "running"), "free at once, or when its lease ends"


def test_a_vendor_that_is_not_allowed_is_refused_before_anything_is_asked(cli, hub):
    cli.environment["PANOPE_HUB_ALLOWED_VENDORS"] = "trusted"
    assert "hub.allowed_vendors" in cli("pull", MODEL, code=1).err
    assert hub.requests == []


def test_jobs_are_listed_shown_and_retried(cli, hub, tiny):
    hub.add("acme/gated", tiny(seed=3), gated=True)
    cli("pull", "acme/gated", code=1)
    download, sync = cli("jobs", "list", "--json").json
    assert (sync["kind"], sync["status"], download["status"]) == ("repo_sync", "failed", "failed")
    assert sync["error"]["reason"] == "gated"
    assert "gated" in cli("jobs", "show", str(sync["id"])).out
    assert "acme/gated" in cli("jobs", "list").out
    assert cli("jobs", "retry", str(sync["id"]), "--json").json["status"] == "queued"
    assert cli("jobs", "cancel", str(sync["id"]), "--json").json["status"] == "cancelled"
    assert "does not exist" in cli("jobs", "show", "99", code=1).err
    cli("jobs", "watch", str(sync["id"]), code=1)


def test_a_worker_runs_what_others_ask_for(cli, hub):
    worker = cli.start("job-worker")
    try:
        assert any("job_worker_started" in line for line in worker.stderr)
        cli("register", MODEL)
        assert "pulled" in cli("pull", MODEL).out
    finally:
        worker.send_signal(signal.SIGTERM)
        out, err = worker.communicate(timeout=30)
    assert worker.returncode == 0, out + err
