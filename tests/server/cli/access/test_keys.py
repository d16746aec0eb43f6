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
