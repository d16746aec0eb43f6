"""What the settings say of servers elsewhere: who may be called, and with which key."""

from __future__ import annotations

from pathlib import Path

import pytest

from panope_backends.errors import PreconditionError
from panope_backends.upstreams.access import UpstreamAccess
from panope_backends.upstreams.description import FILE, checked_upstream
from panope_server.config import RemoteSettings, Settings, SettingsError, load_settings
from panope_server.config.remote import access_of, check_host
from panope_server.runtime.placement.backend_settings import backend_settings

URL = "https://api.example.org/v1"


def remote(**values: object) -> Settings:
    # Fields by their names, which the types do not know.
    return Settings(remote=RemoteSettings(**{"allowed_hosts": ("api.example.org", "vllm:8000"), **values}))  # type: ignore[arg-type]


def test_nobody_may_be_called_unless_the_settings_say_so() -> None:
    with pytest.raises(PreconditionError, match=r"remote\.allowed_hosts"):
        check_host(Settings(), URL)
    check_host(remote(), URL)
    check_host(remote(), "http://vllm:8000/v1")
    with pytest.raises(PreconditionError, match=r"`vllm`, port 80"):
        check_host(remote(), "http://vllm/v1")


def test_a_key_is_read_from_a_variable_or_a_file_and_goes_to_its_host_alone(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-file\n")
    settings = remote(api_keys=("api.example.org=NAME", f"vllm:8000={file}"), private_addresses=True)
    assert access_of(settings, URL, {"NAME": "sk-variable"}).api_key.value == "sk-variable"
    assert access_of(settings, "http://vllm:8000/v1", {}).api_key.value == "sk-file"
    assert access_of(remote(), URL, {"NAME": "sk"}).api_key.value == ""


def test_an_entry_with_its_port_comes_first() -> None:
    settings = remote(api_keys=("api.example.org=ONE", "api.example.org:443=TWO"))
    assert access_of(settings, URL, {"ONE": "1", "TWO": "2"}).api_key.value == "2"


@pytest.mark.parametrize("value", [None, "", "  ", "a\nb", "ké"])
def test_a_key_that_is_not_there_is_told_without_saying_where(tmp_path: Path, value: str | None) -> None:
    environment = {} if value is None else {"NAME": value}
    with pytest.raises(PreconditionError, match=r"remote\.api_keys") as refusal:
        access_of(remote(api_keys=("api.example.org=NAME",)), URL, environment)
    assert refusal.value.reason == "no_api_key"
    with pytest.raises(PreconditionError, match=r"remote\.api_keys") as refusal:
        access_of(remote(api_keys=(f"api.example.org={tmp_path / 'none'}",)), URL, {})
    assert str(tmp_path) not in refusal.value.message


def test_a_key_does_not_go_over_a_public_network_in_the_open() -> None:
    settings = remote(allowed_hosts=("h",), api_keys=("h=NAME",))
    with pytest.raises(PreconditionError, match=r"https alone"):
        access_of(settings, "http://h/v1", {"NAME": "sk"})
    assert access_of(remote(allowed_hosts=("h",)), "http://h/v1", {"NAME": "sk"}).api_key.value == ""


@pytest.mark.parametrize(
    "values",
    [{"allowed_hosts": ["https://h"]}, {"allowed_hosts": ["0x7f.1"]}, {"api_keys": ["h"]}, {"api_keys": ["h h=N"]}],
)
def test_a_wrong_entry_is_a_wrong_setting(tmp_path: Path, values: dict[str, list[str]]) -> None:
    ((name, entries),) = values.items()
    file = tmp_path / "panope.toml"
    file.write_text(f'[remote]\n{name} = ["{entries[0]}"]\n')
    with pytest.raises(SettingsError, match=f"remote.{name}"):
        load_settings(file=file, environment={})


def test_a_run_that_is_waited_for_ends_before_its_worker_is_taken_for_hung(tmp_path: Path) -> None:
    seconds = {}
    for task in ("generate", "embed"):
        (tmp_path / FILE).write_bytes(checked_upstream(URL, "openai", "m", task).to_json())
        seconds[task] = UpstreamAccess.of(backend_settings(remote(), "remote", tmp_path)).total_timeout_seconds
    assert seconds["generate"] == 600
    assert seconds["embed"] < Settings().workers.hang_timeout_seconds
    assert backend_settings(remote(), "safetensors", tmp_path) == b""
