"""`panope keys` and `panope audit`, on a home without a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from panope_registry.access.key_format import ApiKey
from panope_server.cli.main import app


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def run(home: Path, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*arguments, "--home", str(home)])
    assert result.exit_code == code, result.output
    return result.output


def test_a_key_is_made_shown_once_rotated_and_revoked(home: Path) -> None:
    options = ["--name", "ci", "--scope", "embed:*", "--model", "acme/*", "--rate", "100/s", "--tokens", "1M/day"]
    made = run(home, "keys", "create", *options, "--expires", "90d").splitlines()[0]
    key = ApiKey.parse(made)
    assert key is not None
    listed = run(home, "keys", "list", "--json")
    assert key.secret not in listed
    (facts,) = json.loads(listed)
    assert (facts["id"], facts["state"], facts["models"]) == (key.id, "active", ["acme/*"])
    assert facts["limits"] == ["requests 100/second", "tokens 1000000/day"]
    rotated = ApiKey.parse(run(home, "keys", "rotate", "ci", "--grace", "1h").splitlines()[0])
    assert rotated is not None
    assert (rotated.id, rotated.secret == key.secret) == (key.id, False)
    assert json.loads(run(home, "keys", "show", key.id, "--json"))["secret_count"] == 2
    assert "revoked" in run(home, "keys", "revoke", "ci")
    assert "no keys" in run(home, "keys", "list")
    actions = [event["action"] for event in json.loads(run(home, "audit", "--action", "keys.", "--json"))]
    assert actions == ["keys.revoke", "keys.rotate", "keys.create"]


def test_what_a_command_could_not_do_and_what_limits_it_gave_stand_in_the_audit_log(home: Path) -> None:
    run(home, "limits", "set", "acme/tiny", "--rate", "5/s", "--tokens", "1M/day")
    run(home, "limits", "rm", "acme/none", code=1)
    run(home, "keys", "revoke", "nobody", code=1)
    run(home, "rm", "acme/tiny", code=1)
    run(home, "alias", "rollback", "prod", code=1)
    events = json.loads(run(home, "audit", "--json"))
    assert [(event["action"], event["target"], event["outcome"]) for event in events] == [
        ("aliases.rollback", "prod", "alias_not_found"),
        ("models.delete", "acme/tiny", "model_not_found"),
        ("keys.revoke", "nobody", "key_not_found"),
        ("limits.delete", "acme/none", "limit_not_found"),
        ("limits.set", "acme/tiny: requests 5/second, tokens 1000000/day", "ok"),
    ]


def test_the_audit_log_is_read_page_by_page(home: Path) -> None:
    for amount in range(1, 4):
        run(home, "limits", "set", "acme/tiny", "--rate", f"{amount}/s")
    read: list[str] = []
    before = []
    while page := json.loads(run(home, "audit", "--limit", "2", *before, "--json")):
        read += [event["target"] for event in page]
        before = ["--before", str(page[-1]["id"])]
    assert read == [f"acme/tiny: requests {amount}/second" for amount in (3, 2, 1)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scope", "embd:*"], "did you mean `embed`?"),
        (["--scope", "embed"], "RESOURCE:ACTION"),
        (["--scope", "embed:*", "--model", "a/b/c"], "--model"),
        (["--scope", "embed:*", "--rate", "100"], "--rate"),
        (["--scope", "embed:*", "--tokens", "1/week"], "--tokens"),
        (["--scope", "embed:*", "--expires", "soon"], "--expires"),
        (["--scope", "embed:*", "--max-priority", "urgent"], "--max-priority"),
    ],
)
def test_what_is_wrong_is_told_by_its_option(home: Path, options: list[str], words: str) -> None:
    assert words in run(home, "keys", "create", "--name", "x", *options, code=2)
