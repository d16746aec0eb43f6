"""Commands on aliases and the store."""

from __future__ import annotations

import hashlib

MODEL = "acme/tiny"


def test_the_files_of_a_model_are_listed_here_or_not(cli):
    cli("register", MODEL)
    before = {file["path"]: file["is_local"] for file in cli("files", MODEL, "--json").json["files"]}
    cli("pull", MODEL)
    after = {file["path"]: file["is_local"] for file in cli("files", MODEL, "--json").json["files"]}
    assert before == {"config.json": True, "model.safetensors": False}
    assert after == {"config.json": True, "model.safetensors": True}
    assert "model.safetensors" in cli("files", MODEL).out


def test_room_is_told_and_comes_back_when_a_model_goes(cli, tiny):
    cli("pull", MODEL)
    size = sum(len(content) for content in tiny().values())
    assert cli("du", "--json").json["blob_bytes"] == size
    assert MODEL in cli("du").out
    assert cli("rm", MODEL, "--json").json["freed_bytes"] == size
    assert cli("du", "--json").json["blob_bytes"] == 0
    assert "does not exist" in cli("rm", MODEL, code=1).err


def test_a_download_within_the_quota_takes_the_place_of_what_was_used_least_recently(cli, hub, tiny):
    hub.add("acme/other", tiny(seed=5))
    cli.environment["PANOPE_STORE_MAX_BYTES"] = "1.5MiB"
    cli("pull", MODEL)
    used = cli("du", "--json").json
    assert (used["max_bytes"], used["reserved_bytes"]) == (3 << 19, 0)
    assert 1 << 20 < used["reclaimable_bytes"] < used["total_bytes"]
    assert "1.6 MB allowed" in cli("du").out
    cli("pull", "acme/other")
    assert _weights_are_here(cli, MODEL) is False
    assert _weights_are_here(cli, "acme/other") is True
    assert cli("du", "--json").json["total_bytes"] < 3 << 19


def test_a_download_that_cannot_fit_is_refused_with_both_numbers_and_nothing_goes_for_it(cli, hub, tiny):
    hub.add("acme/other", tiny(seed=5, megabytes=2))
    cli("pull", MODEL)
    cli.environment["PANOPE_STORE_MAX_BYTES"] = "1.5MiB"
    refused = cli("pull", "acme/other", code=1).err
    assert "needs 2.1 MB, and 1.6 MB can be made free of the 1.6 MB that the store may take" in refused
    cli.environment["PANOPE_STORE_MAX_BYTES"] = "0"
    cli.environment["PANOPE_HUB_MIN_FREE_BYTES"] = str(1 << 60)
    refused = cli("pull", "acme/other", code=1).err
    assert "needs 2.1 MB, and 0 B can be made free on the store's disk" in refused
    assert _weights_are_here(cli, MODEL) is True


def _weights_are_here(cli, model):
    here = {file["path"]: file["is_local"] for file in cli("files", model, "--json").json["files"]}
    return here["model.safetensors"]


def test_a_pinned_model_stays_until_it_is_unpinned(cli, hub, tiny):
    hub.add("acme/other", tiny(seed=5))
    cli.environment["PANOPE_STORE_MAX_BYTES"] = "1.5MiB"
    cli("pull", MODEL)
    (digest,) = cli("pin", MODEL, "--reason", "demo on Monday", "--json").json["variants"]
    assert "(pinned)" in cli("ls").out
    assert "demo on Monday" in cli("show", MODEL).out
    assert "needs 1.0 MB, and 524" in cli("pull", "acme/other", code=1).err
    assert "is in use: pinned; unpin it first" in cli("rm", MODEL, code=1).err
    assert "more hexadecimal digits" in cli("unpin", MODEL, "--variant", "abc", code=2).err
    assert "unpinned" in cli("unpin", MODEL, "--variant", digest[:8]).out
    assert f"{MODEL}: nothing of it was pinned" in cli("unpin", MODEL).out
    assert cli("unpin", MODEL, "--json").json["variants"] == []
    cli("rm", MODEL)
    assert "does not exist" in cli("pin", MODEL, code=1).err


def test_a_dry_run_of_gc_removes_nothing(cli):
    cli("pull", MODEL)
    collected = cli("gc", "--dry-run", "--json").json
    assert (collected["removed"], collected["dry_run"]) == ([], True)
    assert "nothing is there" in cli("gc").out


def test_a_damaged_file_is_found(cli, tiny):
    cli("pull", MODEL)
    assert cli("verify", "--json").json["damaged"] == []
    sha256 = hashlib.sha256(tiny()["model.safetensors"]).hexdigest()
    blob = cli.home / "store" / "blobs" / "sha256" / sha256[:2] / sha256
    blob.chmod(0o644)
    blob.write_bytes(b"x" * blob.stat().st_size)
    assert f"damaged: {sha256}" in cli("verify", code=1).out
    assert f"{MODEL}: 1 file" in cli("pull", MODEL).out


def test_an_alias_is_set_moved_rolled_back_and_removed(cli, hub, tiny):
    hub.add("acme/other", tiny(seed=5))
    cli("register", MODEL)
    cli("register", "acme/other")
    assert cli("alias", "set", "prod", MODEL, "--expected", "", "--json").json["version"] == 1
    assert "not as expected" in cli("alias", "set", "prod", MODEL, "--expected", "a/b", code=1).err
    cli("alias", "set", "prod", "acme/other", "--reason", "better")
    assert cli("alias", "rollback", "prod", "--json").json["model"] == MODEL
    assert [event["action"] for event in cli("alias", "history", "prod", "--json").json] == [
        "rolled_back",
        "set",
        "set",
    ]
    assert "prod" in cli("alias", "list").out
    cli("alias", "rm", "prod")
    assert cli("alias", "list", "--json").json == []
    assert "acme/nobody" in cli("alias", "set", "prod", "acme/nobody", code=1).err
