"""`panope ps` of models that should run and do not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from panope.v1.model_pb2 import Model
from panope_server.cli.main import app
from panope_server.cli.server.instances import instance_value

FAILED = Model(name="acme/broken", state=Model.STATE_FAILED, state_reason="its weights are cut off")


@pytest.fixture(autouse=True)
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose models are these."""

    class Client:
        def __init__(self, address: str, **_: object) -> None:
            self.address = address

        def __enter__(self) -> Client:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def models(self) -> list[Any]:
            return [FAILED, Model(name="acme/idle", state=Model.STATE_UNLOADED)]

    monkeypatch.setattr("panope_client.Client", Client)


def test_a_model_that_failed_is_told_with_the_reason() -> None:
    done = CliRunner().invoke(app, ["ps", "--address", "localhost:1"])
    assert done.exit_code == 0
    assert "acme/broken" in done.stdout
    assert "failed" in done.stdout
    assert "acme/idle" not in done.stdout
    assert "its weights are cut off" in done.stderr


def test_programs_are_told_the_same_with_every_key() -> None:
    (row,) = json.loads(CliRunner().invoke(app, ["ps", "--address", "localhost:1", "--json"]).stdout)
    assert (row["model"], row["state"], row["state_reason"]) == ("acme/broken", "failed", FAILED.state_reason)
    instance = Model.DESCRIPTOR.fields_by_name["instances"].message_type._concrete_class()
    assert set(instance_value("acme/x", instance)) <= set(row)
