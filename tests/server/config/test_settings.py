from __future__ import annotations

import re
from functools import reduce
from pathlib import Path

import pytest

from panope_server.config import Settings, SettingsError, load_settings, settings_of
from panope_server.config.renamed import RENAMED


def test_without_sources_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(environment={}) == Settings()


def test_a_flag_beats_a_variable_and_a_variable_beats_the_file(tmp_path: Path) -> None:
    file = tmp_path / "panope.toml"
    file.write_text("http_port = 1\ngrpc_port = 1\nadmin_port = 1\n[limits]\nmax_items = 7\n")
    settings = load_settings(
        file=file,
        environment={"PANOPE_GRPC_PORT": "2", "PANOPE_ADMIN_PORT": "2", "PANOPE_WORKERS_INSTANCES": "3"},
        flags={"admin_port": 3, "host": None},
    )
    assert (settings.http_port, settings.grpc_port, settings.admin_port) == (1, 2, 3)
    assert (settings.limits.max_items, settings.workers.instances, settings.host) == (7, 3, "127.0.0.1")


def test_an_unknown_key_of_the_file_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    file = tmp_path / "panope.toml"
    file.write_text("[limits]\nmax_item = 1\n")
    with pytest.raises(SettingsError, match=r"unknown setting `limits.max_item`; did you mean `limits.max_items`\?"):
        load_settings(file=file, environment={})


def test_an_unknown_variable_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(SettingsError, match=r"unknown variable `PANOPE_HTP_PORT`; did you mean `PANOPE_HTTP_PORT`\?"):
        load_settings(environment={"PANOPE_HTP_PORT": "1"})


@pytest.mark.parametrize(
    ("variable", "value", "setting", "allowed"),
    [
        ("PANOPE_HTTP_PORT", "0", "http_port", "integer, 1 to 65535"),
        ("PANOPE_HTTP_PORT", "many", "http_port", "integer, 1 to 65535"),
        ("PANOPE_LOG_LEVEL", "loud", "log_level", "`debug`, `info`, `warning` or `error`"),
        ("PANOPE_LIMITS_MAX_ITEMS", "-1", "limits.max_items", "integer ≥ 1"),
        ("PANOPE_ENVOY", "perhaps", "envoy", "`true` or `false`"),
        (
            "PANOPE_STORE_MAX_BYTES",
            "much",
            "store.max_bytes",
            "a number of bytes, or a text such as `200GB` or `1.5TiB`",
        ),
        (
            "PANOPE_STORE_MAX_BYTES",
            "1.5",
            "store.max_bytes",
            "a number of bytes, or a text such as `200GB` or `1.5TiB`",
        ),
        (
            "PANOPE_STORE_SCRUB_BYTES_PER_SECOND",
            "-1",
            "store.scrub_bytes_per_second",
            "a number of bytes, or a text such as `200GB` or `1.5TiB`",
        ),
        ("PANOPE_STORE_VERIFY", "sometimes", "store.verify", "`always`, `changed` or `never`"),
        ("PANOPE_SHARED_STORE_URL", "https://bucket", "shared_store.url", "a text such as `s3://BUCKET/PREFIX`"),
        ("PANOPE_HUB_ENDPOINT", "hub", "hub.endpoint", "an address such as `https://HOST:PORT`"),
    ],
)
def test_a_wrong_value_is_refused_with_the_variable_the_value_and_what_is_allowed(
    variable: str, value: str, setting: str, allowed: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(environment={variable: value})
    assert str(refused.value) == f"variable `{variable}` (`{setting}`) is `{value}`; allowed: {allowed}"


def test_a_whole_number_with_a_point_is_an_integer_of_every_setting_and_a_half_of_none(tmp_path: Path) -> None:
    file, default = tmp_path / "panope.toml", Settings()
    written = {each: f"{reduce(getattr, each.key, default)}.0" for each in settings_of() if each.type is int}
    assert "generation.stream_interval" in [setting.dotted for setting in written]
    file.write_text("".join(f"{setting.dotted} = {number}\n" for setting, number in written.items()))
    assert load_settings(file=file, environment={}) == default
    assert load_settings(environment={setting.variable: number for setting, number in written.items()}) == default
    file.write_text("generation.stream_interval = 1.5\n")
    with pytest.raises(SettingsError, match=r"`generation.stream_interval` is `1\.5`; allowed: integer, 1 to 1024"):
        load_settings(file=file, environment={})


def test_a_wrong_value_of_a_file_is_refused_with_the_file_and_the_key(tmp_path: Path) -> None:
    file = tmp_path / "panope.toml"
    file.write_text("[workers]\ninstances = 65\n")
    with pytest.raises(SettingsError) as refused:
        load_settings(file=file, environment={})
    assert str(refused.value) == f"{file}: `workers.instances` is `65`; allowed: integer, 1 to 64"


def test_a_wrong_value_that_is_long_is_cut() -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(environment={"PANOPE_LOG_LEVEL": "x" * 10_000})
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("limits = 3", r"`limits` is a section; write `\[limits\]`, and its keys below it"),
        ("[limit]", r"unknown setting `limit`; did you mean `limits"),
        ("[http_port]\nx = 1", r"unknown setting `http_port.x`; did you mean `http_port`\?"),
    ],
)
def test_a_section_of_the_file_that_is_none_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "panope.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=said):
        load_settings(file=file, environment={})


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_is_refused_with_the_new_one(tmp_path: Path, old: str, new: str) -> None:
    *section, key = old.split(".")
    file = tmp_path / "panope.toml"
    file.write_text("".join(f"[{name}]\n" for name in section) + f"{key} = 1\n")
    said = re.escape(f"setting `{old}` was renamed to `{new}`")
    with pytest.raises(SettingsError, match=said):
        load_settings(file=file, environment={})
    with pytest.raises(SettingsError, match=said):
        load_settings(environment={}, assignments=[f"{old}=1"])
    variables = [f"PANOPE_{name.replace('.', '_').upper()}" for name in (old, new)]
    with pytest.raises(SettingsError, match="variable `{}` was renamed to `{}`".format(*variables)):
        load_settings(environment={variables[0]: "1"})


def test_old_names_lead_to_settings_and_are_none() -> None:
    assert set(RENAMED.values()) <= set(SETTINGS)
    assert not set(RENAMED) & set(SETTINGS)


def test_a_list_is_written_with_commas_in_a_variable_and_an_assignment() -> None:
    assert load_settings(environment={"PANOPE_LOAD": "a/b,c/d"}).load == ("a/b", "c/d")
    assert load_settings(environment={}, assignments=["load=a/b,c/d"]).load == ("a/b", "c/d")


SETTINGS = [setting.dotted for setting in settings_of()]


def test_an_assignment_beats_a_variable() -> None:
    settings = load_settings(
        environment={"PANOPE_GRPC_PORT": "2", "PANOPE_LIMITS_MAX_ITEMS": "2"},
        assignments=["grpc_port=3", "limits.max_items=3", "home=/a=b"],
    )
    assert (settings.grpc_port, settings.limits.max_items, settings.home) == (3, 3, "/a=b")


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
        ("limits.max_item", r"--set: unknown setting `limits.max_item`; did you mean `limits.max_items`\?"),
        ("http_port=many", "--set `http_port` is `many`; allowed: integer, 1 to 65535"),
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


@pytest.mark.parametrize(
    ("section", "setting", "entries"),
    [
        ("hardware", "memory", ["cpu=1GiB", "cpu CPU=1GiB", "cpu=2GiB"]),
        ("hardware", "python", ["cpu=/a", "cpu=/b"]),
        ("models", "keep_alive_by_model", ["a/*=1m", "a/b=1m", "a/b=2m"]),
        ("models", "preferred_backends_by_model", ["a/b=cpu", "a/b=openvino"]),
        ("models", "tensor_parallel_by_model", ["a/*=1", "a/*=2"]),
        ("remote", "api_keys", ["h:1=A", "h=A", "h=B"]),
    ],
)
def test_a_list_that_says_two_things_of_one_name_is_refused(
    tmp_path: Path, section: str, setting: str, entries: list[str]
) -> None:
    file = tmp_path / "panope.toml"
    file.write_text(f"[{section}]\n{setting} = {entries}\n")
    name = entries[-1].partition("=")[0]
    with pytest.raises(SettingsError, match=f"`{section}.{setting}`: `{re.escape(name)}` is named twice"):
        load_settings(file=file, environment={})
    file.write_text(f"[{section}]\n{setting} = {entries[:-1]}\n")
    load_settings(file=file, environment={})
