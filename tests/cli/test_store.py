"""Commands on aliases and the store."""

from __future__ import annotations

import hashlib

MODEL = "acme/tiny"


def test_the_files_of_a_model_are_listed_here_or_not(cli):
    cli("register", MODEL)
    before = {file["path"]: file["is_here"] for file in cli("files", MODEL, "--json").json["files"]}
    cli("pull", MODEL)
    after = {file["path"]: file["is_here"] for file in cli("files", MODEL, "--json").json["files"]}
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


def test_a_download_that_does_not_fit_makes_room_and_is_refused_when_that_is_not_enough(cli, hub, tiny):
    hub.add("acme/other", tiny(seed=5))
    cli("pull", MODEL)
    cli.environment["PANOPE_HUB_FREE_SPACE_BYTES"] = str(1 << 60)
    assert "bytes" in cli("pull", "acme/other", code=1).err
    here = {file["path"]: file["is_here"] for file in cli("files", MODEL, "--json").json["files"]}
    assert here["model.safetensors"] is False
    cli.environment["PANOPE_HUB_FREE_SPACE_BYTES"] = "0"
    assert f"{MODEL}: 1 file" in cli("pull", MODEL).out


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
