"""`panope serve` and the settings that it has flags of their own for."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from typer.testing import CliRunner

from panope_server.cli.main import app
from panope_server.cli.server import serve
from panope_server.cli.server.demo import EMBED, demo_calls
from panope_server.config import Settings, settings_of

SETTINGS = {setting.dotted: setting for setting in settings_of()}
#: Settings with a flag of their own.
OWN_FLAGS = [name for name in inspect.signature(serve.serve).parameters if name in SETTINGS]

#: A value of each as a flag and after `--set`, and what becomes of it.
VALUES = {bool: ([], "true", True), int: (["7001"], "7001", 7001), str: (["info"], "info", "info")}
#: Those that take a few words alone.
WORDS = {"auth": (["optional"], "optional", "optional")}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Settings]:
    """The settings of servers that would have been started."""
    found: list[Settings] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(serve, "_run", lambda settings, *_: found.append(settings))
    return found


def test_every_setting_with_a_flag_is_tried() -> None:
    assert {"home", "host", "http_port", "grpc_port", "envoy", "load", "log_level"} <= set(OWN_FLAGS)


@pytest.mark.parametrize("name", OWN_FLAGS)
def test_a_setting_with_a_flag_of_its_own_may_be_set_either_way_and_not_both(
    started: list[Settings], name: str
) -> None:
    words, text, value = WORDS.get(name) or VALUES.get(SETTINGS[name].type, (["info"], "info", ("info",)))
    flag = [f"--{name.replace('_', '-')}", *words]
    assignment = ["--set", f"{name}={text}"]

    by_flag = CliRunner().invoke(app, ["serve", *flag])
    by_assignment = CliRunner().invoke(app, ["serve", *assignment])
    assert (by_flag.exit_code, by_assignment.exit_code) == (0, 0), by_assignment.output
    assert [getattr(settings, name) for settings in started] == [value, value]

    both = CliRunner().invoke(app, ["serve", *flag, *assignment])
    assert both.exit_code == 2
    told = " ".join(both.output.split())
    assert f"setting `{name}` is given by --set and by a flag of its own; give it once" in told
    assert len(started) == 2


def test_what_demo_loads_is_not_set_over(started: list[Settings]) -> None:
    done = CliRunner().invoke(app, ["serve", "--demo", "embed", "--set", "load=a/b"])
    assert (done.exit_code, started) == (2, [])


def test_the_calls_to_try_bring_the_key_that_a_server_asks_for(tmp_path: Path) -> None:
    first, curl, command, grpcurl = demo_calls(Settings(home=str(tmp_path / "a home"), auth="required"), [EMBED])
    assert first == f"  export PANOPE_API_KEY=$(cat '{tmp_path}/a home/admin-key')"
    assert all('-H "authorization: Bearer $PANOPE_API_KEY"' in call for call in (curl, grpcurl))
    assert "authorization" not in command  # which reads the variable
    assert "authorization" not in "".join(demo_calls(Settings(), [EMBED]))
