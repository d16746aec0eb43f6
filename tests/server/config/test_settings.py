from __future__ import annotations

from pathlib import Path

import pytest

from panope_server.config import Settings, SettingsError, load_settings, settings_of


def test_without_sources_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(environment={}) == Settings()


def test_a_flag_beats_a_variable_and_a_variable_beats_the_file(tmp_path: Path) -> None:
    file = tmp_path / "panope.toml"
    file.write_text("http_port = 1\ngrpc_port = 1\nadmin_port = 1\n[limits]\nmax_texts = 7\n")
    settings = load_settings(
        file=file,
        environment={"PANOPE_GRPC_PORT": "2", "PANOPE_ADMIN_PORT": "2", "PANOPE_WORKERS_INSTANCES": "3"},
        flags={"admin_port": 3, "host": None},
    )
    assert (settings.http_port, settings.grpc_port, settings.admin_port) == (1, 2, 3)
    assert (settings.limits.max_texts, settings.workers.instances, settings.host) == (7, 3, "127.0.0.1")


def test_an_unknown_key_of_the_file_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    file = tmp_path / "panope.toml"
    file.write_text("[limits]\nmax_text = 1\n")
    with pytest.raises(SettingsError, match=r"unknown setting `limits.max_text`; did you mean `limits.max_texts`\?"):
        load_settings(file=file, environment={})


def test_an_unknown_variable_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(SettingsError, match=r"unknown variable `PANOPE_HTP_PORT`; did you mean `PANOPE_HTTP_PORT`\?"):
        load_settings(environment={"PANOPE_HTP_PORT": "1"})


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("PANOPE_HTTP_PORT", "0", ">= 1"),
        ("PANOPE_HTTP_PORT", "many", "int"),
        ("PANOPE_LOG_LEVEL", "loud", "log_level"),
        ("PANOPE_LIMITS_MAX_TEXTS", "-1", "limits.max_texts"),
        ("PANOPE_ENVOY", "perhaps", "bool"),
        ("PANOPE_STORE_MAX_BYTES", "much", "`max_bytes` must be a number of bytes, or such as `200GB`"),
        ("PANOPE_STORE_MAX_BYTES", "1.5", "max_bytes"),
        ("PANOPE_STORE_SCRUB_BYTES_PER_SECOND", "-1", "scrub_bytes_per_second"),
        ("PANOPE_STORE_VERIFY", "sometimes", "store.verify"),
        ("PANOPE_STORE_REMOTE", "https://bucket", "store.remote"),
    ],
)
def test_a_wrong_value_is_refused_by_name(variable: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_settings(environment={variable: value})


def test_a_list_is_written_with_commas_in_a_variable_and_an_assignment() -> None:
    assert load_settings(environment={"PANOPE_LOAD": "a/b,c/d"}).load == ("a/b", "c/d")
    assert load_settings(environment={}, assignments=["load=a/b,c/d"]).load == ("a/b", "c/d")


SETTINGS = [setting.dotted for setting in settings_of()]


def test_an_assignment_beats_a_variable() -> None:
    settings = load_settings(
        environment={"PANOPE_GRPC_PORT": "2", "PANOPE_LIMITS_MAX_TEXTS": "2"},
        assignments=["grpc_port=3", "limits.max_texts=3", "home=/a=b"],
    )
    assert (settings.grpc_port, settings.limits.max_texts, settings.home) == (3, 3, "/a=b")


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_that_the_command_line_gives_twice_is_refused_by_name(setting: str) -> None:
    with pytest.raises(SettingsError, match=f"setting `{setting}` is given by --set and by a flag of its own"):
        load_settings(environment={}, flags={setting: "1"}, assignments=[f"{setting}=1"])
    with pytest.raises(SettingsError, match=f"setting `{setting}` is given twice by --set"):
        load_settings(environment={}, assignments=[f"{setting}=1", f"{setting}=2"])


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("http_prt=1", r"--set: unknown setting `http_prt`; did you mean `http_port`\?"),
        ("config=panope.toml", "--set: unknown setting `config`"),
        ("http_port.x=1", r"--set: unknown setting `http_port.x`; did you mean `http_port`\?"),
        ("limits=1", "--set: unknown setting `limits`"),
        ("=1", "--set: unknown setting ``"),
        ("http_port", "--set http_port: write it as KEY=VALUE"),
        ("http_port=many", "http_port"),
    ],
)
def test_an_assignment_that_is_none_is_refused_by_name(assignment: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_settings(environment={}, assignments=[assignment])


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "panope.toml"
    file.write_bytes(b'home = "/x\xff"')
    with pytest.raises(SettingsError, match="UTF-8"):
        load_settings(file=file, environment={})


def test_a_broken_file_is_refused_with_its_position(tmp_path: Path) -> None:
    file = tmp_path / "panope.toml"
    file.write_text("http_port = \n")
    with pytest.raises(SettingsError, match="line 1"):
        load_settings(file=file, environment={})


def test_every_setting_has_a_description_and_a_variable_of_its_own() -> None:
    settings = list(settings_of())
    assert all(setting.description for setting in settings)
    assert len({setting.variable for setting in settings}) == len(settings)


def test_variables_of_clients_and_of_tests_are_no_settings() -> None:
    environment = {"PANOPE_ADDRESS": "h:1", "PANOPE_MODEL": "a/b", "PANOPE_TEST_REQUIRE_GO": "1"}
    assert load_settings(environment=environment) == Settings()


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", None), ("200GB", 200_000_000_000), ("1.5 TiB", 3 << 39), ("64MiB", 1 << 26), ("7kB", 7000), ("9", 9)],
)
def test_a_size_may_have_a_unit(text: str, size: int | None) -> None:
    assert load_settings(environment={"PANOPE_STORE_MAX_BYTES": text}).store.max_size == size
